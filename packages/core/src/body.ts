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
import { passing, type Startable, type Stepper, type Strand } from "./strand.ts";
import type { AnyWork } from "./types.ts";

type AnyFunction = (...args: never[]) => unknown;

const generatorFunctionPrototype: unknown = Object.getPrototypeOf(function* () {});

/** A body with its arguments, ready to begin. */
class BodyCall implements Startable {
  private readonly body: AnyFunction;
  private readonly args: readonly unknown[];

  constructor(body: AnyFunction, args: readonly unknown[]) {
    this.body = body;
    this.args = args;
  }

  get label(): string {
    return this.body.name;
  }

  begin(strand: Strand): IteratorResult<unknown, unknown> {
    return beginBody(strand, this.body, undefined, this.args);
  }
}

const noArguments: readonly unknown[] = [];

/** What a user passed as work, as something that a strand can begin. */
export function startable(work: AnyWork | AnyFunction, args: readonly unknown[] = noArguments): Startable {
  if (typeof work === "function") return new BodyCall(work, args);
  if (isOperation(work)) return work as unknown as Startable;
  throw new UsageError(
    "Work is an operation or a function. Pass the function itself, or the operation it gives.",
  );
}

export function beginBody(
  strand: Strand,
  body: AnyFunction,
  self: unknown,
  args: readonly unknown[],
): IteratorResult<unknown, unknown> {
  if (Object.getPrototypeOf(body) === generatorFunctionPrototype) {
    const iterator = Reflect.apply(body, self, args) as Stepper;
    strand.iterator = iterator;
    return iterator.next(undefined);
  }
  if (storage === undefined) return adopt(strand, Reflect.apply(body, self, args), undefined);
  const frame = new AsyncFrame(strand, strand);
  let result: unknown;
  try {
    result = storage.run(frame, () => Reflect.apply(body, self, args) as unknown);
  } catch (error) {
    result = Promise.reject(error);
    if (!frame.isBusy) {
      (result as Promise<never>).catch(() => {});
      frame.discard();
      throw error;
    }
  }
  return adopt(strand, result, frame);
}

/** Goes on with what a body gave back. `frame` is undefined where the host has no ambient store. */
function adopt(
  strand: Strand,
  result: unknown,
  frame: AsyncFrame | undefined,
): IteratorResult<unknown, unknown> {
  const promised = isThenable(result) && !isOperation(result);
  if (promised && frame === undefined) {
    Promise.resolve(result).catch(() => {});
    throw new AmbientContextError(
      "This host has no AsyncLocalStorage, so async bodies cannot be told apart. " +
        "Write the body as function* and use `yield* fromPromise(() => …)` for promises.",
    );
  }
  if (frame !== undefined) {
    if (promised || frame.isBusy) {
      strand.iterator = passing;
      strand.waiting = frame;
      frame.follow(promised ? result : Promise.resolve(checked(result)));
      return realm.pending;
    }
    frame.discard();
  }
  strand.iterator = passing;
  if (isOperation(result)) return complete(result);
  if (isGenerator(result)) {
    strand.iterator = result;
    return result.next(undefined);
  }
  return complete(checked(result));
}

function complete(value: unknown): IteratorResult<unknown, unknown> {
  realm.done.value = value;
  return realm.done;
}

function isGenerator(value: unknown): value is Stepper {
  if (typeof value !== "object" || value === null || !(Symbol.iterator in value)) return false;
  const { next, throw: throws } = value as { next?: unknown; throw?: unknown };
  return typeof next === "function" && typeof throws === "function";
}

function checked(result: unknown): unknown {
  if (typeof result === "function") {
    throw new TypeError("A body returned a function. Return its result: call it, or yield* it.");
  }
  if (Object.prototype.toString.call(result) === "[object AsyncGenerator]") {
    throw new TypeError(
      "A body returned an async generator. Write it as function* and read streams with forEach(), or as async function.",
    );
  }
  return result;
}
