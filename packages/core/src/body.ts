/**
 * Beginning a body, whichever style it is written in: what it gives back decides.
 *
 * Invariant: a generator body is called without entering the ambient store (that costs more than the whole step); any
 * other body is called inside an async frame of its own, because only its result tells whether it is async.
 */
import { storage } from "./ambient.ts";
import { AsyncFrame } from "./async-frame.ts";
import { isOperation, isThenable } from "./brand.ts";
import { AmbientContextError, UsageError } from "./errors.ts";
import { realm } from "./realm.ts";
import { Frame, passing, type Startable, type Stepper, type Strand } from "./strand.ts";
import type { TaskStrand } from "./task.ts";
import type { AnyWork } from "./types.ts";

export type AnyFunction = (...args: never[]) => unknown;

const generatorFunctionPrototype: unknown = Object.getPrototypeOf(function* () {});
const asyncFunctionPrototype: unknown = Object.getPrototypeOf(async () => {});

/** A body with its arguments, ready to begin. */
class BodyCall implements Startable {
  private readonly body: AnyFunction;
  private readonly args: readonly unknown[];

  constructor(body: AnyFunction, args: readonly unknown[]) {
    this.body = body;
    this.args = args;
  }

  get named(): { readonly name: string } {
    return this.body;
  }

  begin(strand: Strand): IteratorResult<unknown, unknown> {
    return beginBody(strand, this.body, undefined, undefined, this.args);
  }

  unpackInto(task: TaskStrand): true {
    task.expectCall(this.body, undefined, this.args);
    return true;
  }
}

const noArguments: readonly unknown[] = [];

/** What a user passed as work, as something that a strand can begin. */
export function startable(work: AnyWork | AnyFunction, args: readonly unknown[] = noArguments): Startable {
  if (typeof work === "function") return new BodyCall(work, args);
  if (isOperation(work)) return work as unknown as Startable;
  return refuseWork();
}

export function refuseWork(): never {
  throw new UsageError(
    "Work is an operation or a function. Pass the function itself, or the operation it gives.",
  );
}

export function apply(
  body: AnyFunction,
  self: unknown,
  first: unknown,
  args: readonly unknown[] | undefined,
): unknown {
  return args === undefined ? body.call(self, first as never) : Reflect.apply(body, self, args);
}

/** Calls a body with `args`, or where they are undefined with `first` alone, and takes its first step. */
export function beginBody(
  strand: Strand,
  body: AnyFunction,
  self: unknown,
  first: unknown,
  args: readonly unknown[] | undefined,
): IteratorResult<unknown, unknown> {
  const kind: unknown = Object.getPrototypeOf(body);
  if (kind === generatorFunctionPrototype) {
    const iterator = apply(body, self, first, args) as Stepper;
    strand.iterator = iterator;
    return iterator.next(undefined);
  }
  if (storage === undefined) {
    // Not even begun: what it awaits would go on outside the run.
    if (kind === asyncFunctionPrototype) throw new AmbientContextError(noAmbientStore);
    return adopt(strand, apply(body, self, first, args), undefined);
  }
  strand.iterator = passing;
  const frame = new AsyncFrame(strand, strand);
  let result: unknown;
  try {
    result = storage.run(frame, () => apply(body, self, first, args));
  } catch (error) {
    endFrame(strand, frame);
    throw error;
  }
  return adopt(strand, result, frame);
}

/** Goes on with what a body gave back. `frame` is undefined where the host has no ambient store. */
function adopt(
  strand: Strand,
  result: unknown,
  frame: AsyncFrame | undefined,
): IteratorResult<unknown, unknown> {
  strand.iterator = passing;
  if (isThenable(result) && !isOperation(result)) {
    if (frame === undefined) refuseAsync(result);
    strand.waiting = frame;
    frame.follow(result);
    return realm.pending;
  }
  if (frame !== undefined) endFrame(strand, frame);
  if (typeof result === "function" || Object.prototype.toString.call(result) === "[object AsyncGenerator]") {
    throw new TypeError(notAResult);
  }
  if (isGenerator(result)) {
    strand.iterator = result;
    return result.next(undefined);
  }
  realm.done.value = result;
  return realm.done;
}

const notAResult =
  "A body returned a function or an async generator. Return a result: call the function, or yield* it; " +
  "write the generator as function* and read streams with forEach().";

const noAmbientStore =
  "This host has no AsyncLocalStorage, so async bodies cannot be told apart. " +
  "Write the body as function* and use `yield* fromPromise(() => …)` for promises.";

function refuseAsync(promise: PromiseLike<unknown>): never {
  Promise.resolve(promise).catch(() => {});
  throw new AmbientContextError(noAmbientStore);
}

/** The body is not async. If it has begun operations by hand, they are ended and waited for once it has ended. */
function endFrame(strand: Strand, home: AsyncFrame): void {
  if (!home.isBusy) {
    home.discard();
    return;
  }
  const frame = new LingeringFrame(home);
  frame.iterator = passing;
  frame.below = strand.frame;
  strand.frame = frame;
}

class LingeringFrame extends Frame {
  readonly label = "operations begun by hand";
  private readonly home: AsyncFrame;

  constructor(home: AsyncFrame) {
    super();
    this.home = home;
  }

  leave(strand: Strand, failed: boolean, value: unknown): boolean {
    if (!this.home.isOpen) return strand.outcome(failed, value);
    strand.waitIn(this, this.home);
    this.home.settle(failed, value);
    return false;
  }
}

function isGenerator(value: unknown): value is Stepper {
  if (typeof value !== "object" || value === null || !(Symbol.iterator in value)) return false;
  const { next, throw: throws } = value as { next?: unknown; throw?: unknown };
  return typeof next === "function" && typeof throws === "function";
}
