/** Functions that call back `(error, value)`: theirs as operations, and ours for them. */
import { callbackify } from "node:util";
import type { Portal } from "@anyloop/bridge";
import { type Body, type Operation, UsageError } from "@anyloop/core";
import { suspendOnHost } from "@anyloop/core/lowlevel";

/** A function's last argument, as Node has it. */
export type Callback<T> = (error: unknown, value?: T) => void;

/** Asks work that was begun to stop. It calls back all the same: that is how its end is known. */
export type Stop = () => void;

/**
 * Waits for work that calls back. Cancelled, it asks the work to stop, if `begin` gave a way to do so, and waits until it
 * has called back: with a value, which wins; with an error while it was to stop, which is the cancellation if it is an
 * `AbortError`.
 *
 * ```ts
 * import { stat, type Stats } from "node:fs";
 * import { run } from "anyloop";
 * import { fromCallback } from "@anyloop/bridge-node";
 *
 * const stats = await run(fromCallback<Stats>((done) => stat(".", done)));
 * console.log(stats.isDirectory()); // true
 * ```
 *
 * @throws what it calls back with as its error.
 */
export function fromCallback<T>(begin: (done: Callback<T>) => Stop | void): Operation<T> {
  return suspendOnHost<T>((waiter) => {
    let cancellation: Error | undefined;
    let isDone = false;
    const stop = begin((error, value) => {
      if (isDone) throw new UsageError("Work of fromCallback() called back a second time.");
      isDone = true;
      if (error === null || error === undefined) waiter.resume(value as T);
      else if (cancellation !== undefined && isAbort(error)) waiter.fail(cancellation);
      else waiter.fail(error);
    });
    return (cancelled) => {
      cancellation = cancelled;
      stop?.();
      return false;
    };
  });
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/**
 * A function that calls back, for somebody who wants one: each call performs the body in the portal's run.
 *
 * ```ts
 * import { promisify } from "node:util";
 * import { fromPromise, run, sleep } from "anyloop";
 * import { openPortal } from "@anyloop/bridge";
 * import { toCallback } from "@anyloop/bridge-node";
 *
 * await run(
 *   openPortal(function* (portal) {
 *     const double = toCallback(portal, function* (value: number) {
 *       yield* sleep(1);
 *       return value * 2;
 *     });
 *     console.log(yield* fromPromise(promisify(double)(21))); // 42
 *   }),
 * );
 * ```
 */
export function toCallback<A extends readonly unknown[], T>(
  portal: Portal,
  body: Body<T, A>,
): (...args: [...args: A, done: Callback<T>]) => void {
  // What a callback throws is its own affair: `callbackify` calls it outside of any promise.
  return callbackify((...args: A) => portal.call(() => body(...args))) as unknown as (
    ...args: [...args: A, done: Callback<T>]
  ) => void;
}
