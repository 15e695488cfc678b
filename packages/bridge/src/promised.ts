/** The promise flavour of whatever has a callback flavour. */
import type { Waiter } from "@anyloop/core/lowlevel";
import type { Withdraw } from "./line.ts";

export interface SignalOptions {
  /** Stops waiting: the promise rejects with the signal's `reason`, and nothing was taken or put. */
  readonly signal?: AbortSignal | undefined;
}

/** Waits with a promise. Once resumed the value stands: an abort that comes later loses nothing. */
export function promised<T>(
  waitWith: (waiter: Waiter<T>) => Withdraw,
  { signal }: SignalOptions = {},
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal === undefined) {
      waitWith({ resume: resolve, fail: reject });
      return;
    }
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    // Missing while it is being settled at once, in which whoever is woken may abort.
    let withdraw: Withdraw | undefined;
    const onAbort = (): void => {
      if (withdraw?.() === true) reject(signal.reason as Error);
    };
    const stopListening = (): void => signal.removeEventListener("abort", onAbort);
    signal.addEventListener("abort", onAbort, { once: true });
    withdraw = waitWith({
      resume(value) {
        stopListening();
        resolve(value);
      },
      fail(error) {
        stopListening();
        reject(error);
      },
    });
  });
}
