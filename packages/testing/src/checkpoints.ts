/**
 * Whether a piece of work passes a checkpoint. trio's `assert_checkpoints` and `assert_no_checkpoints`.
 *
 * What is cancelled goes on to its first checkpoint and no further, so that is how it is found out: no count is kept, and
 * whatever the work calls is seen.
 */
import {
  AnyloopError,
  CancelScope,
  type Coroutine,
  type Operation,
  operation,
  type Work,
} from "@anyloop/core";

/** A piece of work has a checkpoint where it must not, or none where it must. */
export class CheckpointError extends AnyloopError {
  override readonly name = "CheckpointError";
  readonly code = "CHECKPOINT";
}

function cancelledScope(name: string): CancelScope {
  const scope = new CancelScope({ name });
  scope.cancel(name);
  return scope;
}

/**
 * Performs the work, and fails if it can be done without checking for cancellation. It is begun twice: once cancelled,
 * which must stop it at its first checkpoint, and once for its value.
 *
 * ```ts
 * const lock = new Lock();
 * const held = await assertCheckpoints(lock.acquire());
 * held.release();
 * const error = await assertCheckpoints(() => "no waiting here").catch((error) => error);
 * console.log(error.name); // CheckpointError
 * ```
 *
 * @throws CheckpointError if the cancelled work came to its end.
 */
export const assertCheckpoints: <T>(work: Work<T>) => Operation<T> = operation(function* assertCheckpoints<T>(
  work: Work<T>,
): Coroutine<T> {
  const scope = cancelledScope("assertCheckpoints");
  yield* scope.run(work);
  if (!scope.cancelledCaught) {
    throw new CheckpointError(
      "The work came to its end though it was cancelled: it has a way without a checkpoint. " +
        "Perform an operation on each, checkpoint() if there is no other.",
    );
  }
  return (yield* new CancelScope().run(work)) as T;
});

/**
 * Performs the work, once, and fails if it passes a checkpoint, at which others may come in between.
 *
 * ```ts
 * const counter = await assertNoCheckpoints(() => 1 + 1);
 * console.log(counter); // 2
 * const error = await assertNoCheckpoints(sleep(0)).catch((error) => error);
 * console.log(error.name); // CheckpointError
 * ```
 *
 * @throws CheckpointError at the first checkpoint, which stops the work.
 */
export const assertNoCheckpoints: <T>(work: Work<T>) => Operation<T> = operation(
  function* assertNoCheckpoints<T>(work: Work<T>): Coroutine<T> {
    const scope = cancelledScope("assertNoCheckpoints");
    const value = yield* scope.run(work);
    if (!scope.cancelledCaught) return value as T;
    throw new CheckpointError(
      "The work passed a checkpoint: others may come in between and it may be cancelled there. " +
        "Do it without operations that wait, or hold a lock around it.",
    );
  },
);
