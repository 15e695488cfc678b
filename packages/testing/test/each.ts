/** Registers a body as a vitest test on every backend. */
import { type Body, type Coroutine, type Operation, shield, sleep, sleepForever } from "@anyloop/core";
import { everyBackend, type EveryBackendOptions } from "@anyloop/testing";
import { test } from "vitest";

export function each(name: string, body: Body<unknown>, options?: EveryBackendOptions): void {
  for (const { name: title, perform } of everyBackend(name, body, options)) test(title, perform);
}

const { process, AsyncContext } = globalThis as {
  process?: { getBuiltinModule?: unknown };
  AsyncContext?: unknown;
};

/** Whether async bodies can be told apart here. Browsers have nothing to do it with, and refuse them. */
export const hasAsyncBodies: boolean = AsyncContext !== undefined || process?.getBuiltinModule !== undefined;

/** `each` for what needs async bodies. Where they are refused, a skipped test says so in its place. */
export function eachAsync(name: string, body: Body<unknown>, options?: EveryBackendOptions): void {
  if (hasAsyncBodies) each(name, body, options);
  else test.skip(`${name} [needs AsyncLocalStorage]`);
}

/** What the work threw; fails if it did not. */
export async function thrownBy(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
}

/** The same for generator style: `yield* caught(operation)`. */
export function* caught(work: Operation<unknown>): Coroutine<unknown> {
  try {
    yield* work;
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
}

/** Waits to be cancelled, takes so many milliseconds to clean up, and notes it. */
export function* untilCancelled(steps: string[], milliseconds: number): Coroutine<void> {
  try {
    yield* sleepForever();
  } finally {
    yield* shield(sleep(milliseconds));
    steps.push("cleaned");
  }
}
