import { type Coroutine, isCancelled, type Operation, operation } from "anyloop";

/** Performs the work again after a failure, at most so many times. A cancellation is no failure. */
export const retry: <T>(times: number, work: Operation<T>) => Operation<T> = operation(function* retry<T>(
  times: number,
  work: Operation<T>,
): Coroutine<T> {
  for (let left = times; ; left--) {
    try {
      return yield* work;
    } catch (error) {
      if (left === 0 || isCancelled(error)) throw error;
    }
  }
});
