/**
 * Calls that are often done at once, such as reading a line that has come already with the one before.
 *
 * Invariant: the short way gives what the body would give without waiting, or undefined; then the body runs, and nothing
 * has happened yet.
 */
import { type AnyFunction, apply } from "./body.ts";
import { CallOperation } from "./operation.ts";
import type { Strand } from "./strand.ts";
import type { Coroutine, Operation } from "./types.ts";

class ShortCall<T> extends CallOperation<T> {
  private readonly shortcut: AnyFunction;

  constructor(
    shortcut: AnyFunction,
    body: AnyFunction,
    self: unknown,
    first: unknown,
    args: readonly unknown[] | undefined,
  ) {
    super(body, self, first, args);
    this.shortcut = shortcut;
  }

  protected override get isLeaf(): boolean {
    return true;
  }

  protected override perform(strand: Strand): IteratorResult<unknown, unknown> {
    // Cancelled on entry, the body says so.
    const value = strand.node.pending === undefined ? this.takeShortcut() : undefined;
    return value === undefined ? super.perform(strand) : this.complete(strand, value);
  }

  private takeShortcut(): T | undefined {
    const { shortcut, self, first, args } = this;
    return apply(shortcut, self, first, args) as T | undefined;
  }
}

/**
 * `perform` for a method with a short way: a plain method with the same arguments that gives the value if there is no need
 * to wait. No frame or generator is made then.
 */
export function performShort<This, A extends readonly unknown[], T extends object | string>(
  self: This,
  shortcut: (this: This, ...args: A) => T | undefined,
  body: (this: This, ...args: A) => Coroutine<T>,
  ...args: A
): Operation<T> {
  return args.length === 1
    ? new ShortCall<T>(shortcut, body, self, args[0], undefined)
    : new ShortCall<T>(shortcut, body, self, undefined, args);
}
