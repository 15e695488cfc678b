/**
 * Functions of this side that a worker may call.
 *
 * Invariant: a call runs as a task in the scope of the `runInThread` or `runInProcess` that passed the callback, so it
 * cannot outlive it, and is cancelled with it.
 */
import {
  type Body,
  type Coroutine,
  isCancelled,
  type Operation,
  operation,
  perform,
  UsageError,
} from "@anyloop/core";

type AnyBody = (...args: never[]) => unknown;

const bodies = new WeakMap<object, AnyBody>();

/**
 * Makes an argument for `runInThread` or `runInProcess` that arrives there as an async function. Called there, it runs the
 * body here, as a task; it gives what the body gives, or throws what it throws.
 *
 * ```ts
 * import { callback, runInThread } from "@anyloop/io";
 *
 * const report = callback(function* (percent: number) {
 *   yield* sleep(1);
 *   console.log(percent); // 50
 * });
 * await run(runInThread(async (report: (percent: number) => Promise<void>) => {
 *   await report(50);
 * }, [report]));
 * ```
 */
export function callback<A extends readonly unknown[], T>(body: Body<T, A>): (...args: A) => Promise<T> {
  const there = (): never => {
    throw new UsageError(
      "A callback is for a worker to call. Pass it as an argument of runInThread or runInProcess.",
    );
  };
  bodies.set(there, body);
  return there;
}

/** The body of a callback; undefined for anything else. */
export function bodyOf(argument: unknown): AnyBody | undefined {
  return typeof argument === "function" ? bodies.get(argument) : undefined;
}

/** How a call has ended. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** Performs a call; `reply` is told how it ended, also when it was cancelled. */
export const performCall: (
  body: AnyBody,
  args: readonly unknown[],
  reply: (outcome: Outcome) => void,
) => Operation<void> = operation(function* callback(
  body: AnyBody,
  args: readonly unknown[],
  reply: (outcome: Outcome) => void,
): Coroutine<void> {
  let value: unknown;
  try {
    value = yield* perform(undefined, body as () => Coroutine<unknown>, ...(args as []));
  } catch (error) {
    reply({ error });
    if (isCancelled(error)) throw error;
    return;
  }
  reply({ value });
});
