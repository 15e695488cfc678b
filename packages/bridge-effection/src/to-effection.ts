/** An operation of ours as one of effection's: a run of ours under a task of theirs. */
import { run, type RunOptions, type Work } from "@anyloop/core";
import { ensure, type Operation, scoped, until } from "effection";

/** What a halt aborts a run with. */
class Halted extends Error {
  override readonly name = "Halted";
  constructor() {
    super("The task of effection that ran this was halted.");
  }
}

/**
 * Performs the work in a run of its own. Halting the task that performs it cancels the run and waits for its real end; an
 * error of its cleanup is the halt's.
 *
 * ```ts
 * import { run } from "effection";
 * import { sleep } from "anyloop";
 * import { toEffection } from "@anyloop/bridge-effection";
 *
 * const answer = await run(function* () {
 *   return yield* toEffection(function* () {
 *     yield* sleep(1);
 *     return 42;
 *   });
 * });
 * console.log(answer); // 42
 * ```
 */
export function* toEffection<T>(work: Work<T>, options?: Pick<RunOptions, "backend" | "name">): Operation<T> {
  // Its own scope: `ensure` is waited for when this ends, not when the caller does.
  return yield* scoped(function* () {
    const controller = new AbortController();
    const halted = new Halted();
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    const running = run(work, { ...options, signal: controller.signal });
    running.then(over, over);
    yield* ensure(function* () {
      if (isOver) return;
      controller.abort(halted);
      yield* until(running.then(over, rethrowUnless(halted)));
    });
    return yield* until(running);
  });
}

function rethrowUnless(expected: unknown): (error: unknown) => void {
  return (error) => {
    if (error !== expected) throw error;
  };
}
