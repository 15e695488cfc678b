/** An operation as an effect: a run of ours under a fiber of theirs. */
import { run, type RunOptions, type Work } from "@anyloop/core";
import { Effect } from "effect";

export interface ToEffectOptions<E> extends Pick<RunOptions, "backend" | "name"> {
  /** Makes a typed failure of what the work throws, as in `Effect.tryPromise`. What it throws itself is a defect. */
  readonly catch: (error: unknown) => E;
}

/** What an interruption aborts a run with. */
class Interruption extends Error {
  override readonly name = "Interruption";
  constructor() {
    super("The fiber that ran this was interrupted.");
  }
}

function failureBy<E>(toFailure: (error: unknown) => E, error: unknown): Effect.Effect<never, E> {
  return Effect.suspend(() => Effect.fail(toFailure(error)));
}

/**
 * Performs the work in a run of its own whenever the effect is run. An interruption of the fiber cancels the run and waits
 * for its real end; an error of its cleanup is a defect then.
 *
 * ```ts
 * import { Effect } from "effect";
 * import { sleep } from "anyloop";
 * import { toEffect } from "@anyloop/bridge-effect";
 *
 * const answer = toEffect(function* () {
 *   yield* sleep(1);
 *   return 42;
 * });
 * console.log(await Effect.runPromise(answer)); // 42
 * ```
 */
export function toEffect<T, E>(work: Work<T>, options: ToEffectOptions<E>): Effect.Effect<T, E>;
export function toEffect<T>(
  work: Work<T>,
  options?: Pick<RunOptions, "backend" | "name">,
): Effect.Effect<T, unknown>;
export function toEffect<T>(
  work: Work<T>,
  { catch: toFailure = (error) => error, ...options }: Partial<ToEffectOptions<unknown>> = {},
): Effect.Effect<T, unknown> {
  return Effect.callback<T, unknown>((resume) => {
    const controller = new AbortController();
    const interruption = new Interruption();
    const running = run(work, { ...options, signal: controller.signal });
    running.then(
      (value) => resume(Effect.succeed(value)),
      (error: unknown) => resume(failureBy(toFailure, error)),
    );
    return Effect.callback<void>((end) => {
      running.then(
        () => end(Effect.void),
        (error: unknown) => end(error === interruption ? Effect.void : Effect.die(error)),
      );
      controller.abort(interruption);
    });
  });
}
