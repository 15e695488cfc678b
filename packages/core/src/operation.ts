/**
 * Operations: one thing, yielded or awaited.
 *
 * Invariant: an operation is lazy, and the same object may be yielded by several tasks at once: its state belongs to one
 * performance, and a second performance while the first is under way gets an iterator of its own.
 */
import { storage } from "./ambient.ts";
import type { AsyncFrame, AsyncStrand } from "./async-frame.ts";
import { type AnyFunction, beginBody } from "./body.ts";
import { operationBrand } from "./brand.ts";
import { debug } from "./debug.ts";
import { AmbientContextError, isCancelled, UsageError } from "./errors.ts";
import { foreignRealm, realm, refuseForeignRealm } from "./realm.ts";
import { Frame, placeOf, type Startable, type Stepper, type Strand } from "./strand.ts";
import type { TaskStrand } from "./task.ts";
import { crossed } from "./trace.ts";
import { stepEnded } from "./when-blocked.ts";
import type { Coroutine, Instruction, Operation } from "./types.ts";

type Fulfilled<T, R> = ((value: T) => R | PromiseLike<R>) | null | undefined;
type Rejected<R> = ((error: unknown) => R | PromiseLike<R>) | null | undefined;

/** The strand that is being stepped. */
function here(): Strand {
  const strand = realm.current;
  if (strand !== undefined) return strand;
  if (foreignRealm) refuseForeignRealm();
  throw new UsageError(
    "An operation was iterated outside any task. Write `yield* operation` in a task, or `await operation`.",
  );
}

export abstract class OperationBase<T> implements Operation<T>, Startable, Stepper {
  /** Between the first `next` of a performance and the one that ends it. */
  protected active = false;
  /** What became of it when it was awaited. */
  private awaited: Promise<T> | undefined = undefined;

  abstract readonly label: string;

  get named(): { readonly name: string } {
    return { name: this.label };
  }

  /** First call of a performance: completes, or changes the strand and answers `pending`. */
  protected abstract perform(strand: Strand): IteratorResult<unknown, unknown>;

  get [operationBrand](): true {
    return true;
  }

  get [Symbol.toStringTag](): string {
    return "Operation";
  }

  [Symbol.iterator](): Iterator<Instruction, T, unknown> {
    return (this.active ? this.again() : this) as unknown as Iterator<Instruction, T, unknown>;
  }

  next(value: unknown): IteratorResult<unknown, unknown> {
    if (!this.active) return this.perform(here());
    if (value === realm.probe) {
      realm.probe.trace ??= new Error().stack;
      return realm.pending;
    }
    this.active = false;
    realm.done.value = value;
    return realm.done;
  }

  throw(error: unknown): never {
    this.active = false;
    throw error;
  }

  begin(strand: Strand): IteratorResult<unknown, unknown> {
    const iterator = this[Symbol.iterator]() as unknown as Stepper;
    strand.iterator = iterator;
    return iterator.next(undefined);
  }

  unpackInto(_task: TaskStrand): boolean {
    return false;
  }

  then<A = T, B = never>(onFulfilled?: Fulfilled<T, A>, onRejected?: Rejected<B>): Promise<A | B> {
    const chained = (this.awaited ??= this.start()).then(onFulfilled, onRejected);
    if (onRejected === undefined || onRejected === null) ignoreCancelled(this.awaited, chained);
    return chained;
  }

  catch<B = never>(onRejected?: Rejected<B>): Promise<T | B> {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<T> {
    const chained = this.then().finally(onFinally);
    ignoreCancelled(this.awaited as Promise<T>, chained);
    return chained;
  }

  /** Ends a performance with a value, in a later step if the strand's budget is spent. */
  protected complete(strand: Strand, value: T): IteratorResult<unknown, unknown> {
    if (--realm.budget > 0) {
      realm.done.value = value;
      return realm.done;
    }
    return this.completeLater(strand, value);
  }

  protected completeLater(strand: Strand, value: T): IteratorResult<unknown, unknown> {
    this.active = true;
    strand.wake(false, value);
    return realm.pending;
  }

  /** A fresh performance of the same operation, while this one is under way. Rare: two tasks, one object. */
  protected again(): this {
    const copy = Object.assign(Object.create(Object.getPrototypeOf(this) as object) as this, this);
    copy.active = false;
    return copy;
  }

  /** Whether the first step may be taken in the stack of an `await`: it runs no code of a user's body. */
  protected get isLeaf(): boolean {
    return false;
  }

  private start(): Promise<T> {
    if (foreignRealm) refuseForeignRealm();
    const place = storage?.get();
    if (place === undefined || place.run.ended) {
      return realm.runOutside === undefined
        ? Promise.reject(new UsageError(noDefaultBackend))
        : (realm.runOutside(this) as Promise<T>);
    }
    const { frame } = place;
    if (frame?.isOpen !== true) return Promise.reject(lostTask(frame !== undefined));
    return this.isLeaf ? this.startLeaf(frame) : this.startLater(frame);
  }

  private startLater(frame: AsyncFrame): Promise<T> {
    const strand = frame.takeStrand(this);
    frame.strandBegan();
    strand.schedule();
    return outcomeOf(strand);
  }

  /** A leaf runs no code of a user's body, so it is performed in the stack of the `await`, and is often done at once. */
  private startLeaf(frame: AsyncFrame): Promise<T> {
    const strand = frame.takeStrand(this);
    const before = realm.current;
    realm.current = strand;
    strand.resumption = undefined;
    try {
      const iterator = this[Symbol.iterator]() as unknown as Stepper;
      strand.iterator = iterator;
      const result = iterator.next(undefined);
      if (realm.whenBlocked.size > 0) stepEnded(strand.waiting !== undefined);
      if (result !== realm.pending) {
        frame.keep(strand);
        return result.value === undefined ? (nothing as Promise<T>) : Promise.resolve(result.value as T);
      }
    } catch (error) {
      frame.keep(strand);
      return Promise.reject(error);
    } finally {
      realm.current = before;
    }
    frame.strandBegan();
    // It was a call after all, and its body runs in a step of its own.
    if (strand.iterator === undefined) strand.schedule();
    return outcomeOf(strand);
  }
}

/** A cancellation that nobody asked to be told of is not an unhandled rejection: its scope deals with it. */
function ignoreCancelled(source: Promise<unknown>, chained: Promise<unknown>): void {
  source.catch((error: unknown) => {
    if (isCancelled(error)) chained.catch(() => {});
  });
}

/** What operations without a value are awaited as, once they are done. */
const nothing: Promise<unknown> = /* @__PURE__ */ Promise.resolve();

function outcomeOf<T>(strand: AsyncStrand): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    strand.resolve = resolve;
    strand.reject = reject;
  });
}

const noDefaultBackend =
  'An operation was awaited outside any run and no default backend is set. Import from "anyloop", ' +
  "or call setDefaultBackend(…), or use run(operation, { backend }).";

function lostTask(ended: boolean): AmbientContextError {
  return new AmbientContextError(
    ended
      ? "An operation was awaited in an async function whose task has gone on without it. " +
          "Await the function itself in the task, or use run(operation) for work of its own."
      : "An operation was awaited where a run is alive but no async body of it is on the way (an async helper called " +
          "from a generator task, or a callback). Call it as `yield* fromPromise(() => helper())`, or make it a body.",
  );
}

/** A function made with `operation`, called: it runs in a frame of its own on the caller's strand. */
export class CallOperation<T> extends OperationBase<T> {
  protected readonly body: AnyFunction;
  protected readonly self: unknown;
  protected readonly first: unknown;
  /** All arguments, unless there is just one: most calls then need no array. */
  protected readonly args: readonly unknown[] | undefined;

  constructor(body: AnyFunction, self: unknown, first: unknown, args: readonly unknown[] | undefined) {
    super();
    this.body = body;
    this.self = self;
    this.first = first;
    this.args = args;
  }

  get label(): string {
    return this.body.name;
  }

  override get named(): { readonly name: string } {
    return this.body;
  }

  protected perform(strand: Strand): IteratorResult<unknown, unknown> {
    this.active = true;
    return strand.push(new CallFrame(this.body), this);
  }

  override begin(strand: Strand): IteratorResult<unknown, unknown> {
    return beginBody(strand, this.body, this.self, this.first, this.args);
  }

  override unpackInto(task: TaskStrand): boolean {
    if (this.self !== undefined) return false;
    task.expectCall(this.body, this.first, this.args);
    return true;
  }
}

class CallFrame extends Frame {
  private readonly body: AnyFunction;

  constructor(body: AnyFunction) {
    super();
    this.body = body;
  }

  get label(): string {
    return this.body.name;
  }

  leave(strand: Strand, failed: boolean, value: unknown): boolean {
    if (failed) crossed(value, this.label, debug.on ? placeOf(this.iterator) : undefined);
    return strand.outcome(failed, value);
  }
}

/**
 * Makes a function that returns operations, from a generator function. The result can be yielded in a task of any
 * backend, or awaited from plain async code.
 *
 * ```ts
 * const greet: (name: string) => Operation<string> = operation(function* (name) {
 *   yield* sleep(1);
 *   return `hello ${name}`;
 * });
 * console.log(await greet("world")); // hello world
 * ```
 */
export function operation<A extends readonly unknown[], T>(
  body: (this: void, ...args: A) => Coroutine<T>,
): (...args: A) => Operation<T>;
export function operation<This, A extends readonly unknown[], T>(
  body: (this: This, ...args: A) => Coroutine<T>,
): (this: This, ...args: A) => Operation<T>;
// @__NO_SIDE_EFFECTS__
export function operation<A extends readonly unknown[], T>(
  body: (this: unknown, ...args: A) => Coroutine<T>,
): (this: unknown, ...args: A) => Operation<T> {
  if (typeof body !== "function")
    throw new UsageError("operation() takes a generator function: function* (…) { … }.");
  const call = function (this: unknown, ...args: A): Operation<T> {
    return args.length === 1
      ? new CallOperation<T>(body, this, args[0], undefined)
      : new CallOperation<T>(body, this, undefined, args);
  };
  Object.defineProperty(call, "name", { value: body.name });
  return call;
}

/**
 * The same for methods: an operation that runs a generator method of `self`.
 *
 * ```ts
 * class Greeter {
 *   greet(name: string): Operation<string> {
 *     return perform(this, this.#greet, name);
 *   }
 *   *#greet(name: string): Coroutine<string> {
 *     yield* sleep(1);
 *     return `hello ${name}`;
 *   }
 * }
 * console.log(await new Greeter().greet("world")); // hello world
 * ```
 */
export function perform<This, A extends readonly unknown[], T>(
  self: This,
  body: (this: This, ...args: A) => Coroutine<T>,
  ...args: A
): Operation<T> {
  if (typeof body !== "function")
    throw new UsageError("perform() takes a generator method: perform(this, this.#method, …).");
  return args.length === 1
    ? new CallOperation<T>(body, self, args[0], undefined)
    : new CallOperation<T>(body, self, undefined, args);
}
