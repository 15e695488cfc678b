/** Somebody else's `AbortSignal`. The other way is core's: `cancelSignal()` and `scope.signal`. */
import { CancelScope, type Coroutine, type Operation, operation, type Work } from "@anyloop/core";
import { checkpointIfCancelled, suspendOnHost } from "@anyloop/core/lowlevel";

/** Waits until a signal is aborted, and gives its reason. Cancelled, it listens no more. */
export function aborted(signal: AbortSignal): Operation<unknown> {
  return suspendOnHost<unknown>((waiter) => {
    if (signal.aborted) {
      waiter.resume(signal.reason);
      return undefined;
    }
    const onAbort = (): void => waiter.resume(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    return () => {
      signal.removeEventListener("abort", onAbort);
      return true;
    };
  });
}

const performWithSignal = operation(function* withSignal(
  signal: AbortSignal,
  work: Work<unknown>,
): Coroutine<unknown> {
  yield* checkpointIfCancelled();
  signal.throwIfAborted();
  const scope = new CancelScope();
  const onAbort = (): void => scope.cancel(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  let value: unknown;
  try {
    value = yield* scope.run(work);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
  if (scope.cancelledCaught) throw signal.reason;
  return value;
});

/**
 * Performs the work, and cancels it when the signal is aborted.
 *
 * ```ts
 * import { sleepForever } from "anyloop";
 * import { withSignal } from "@anyloop/bridge-web";
 *
 * const controller = new AbortController();
 * setTimeout(() => controller.abort(new Error("enough")), 5);
 * await withSignal(controller.signal, sleepForever()).catch((error: Error) => {
 *   console.log(error.message); // enough
 * });
 * ```
 *
 * @throws the signal's reason, after the work has really ended; a value that the work gives all the same wins.
 */
export function withSignal<T>(signal: AbortSignal, work: Work<T>): Operation<T> {
  return performWithSignal(signal, work) as Operation<T>;
}
