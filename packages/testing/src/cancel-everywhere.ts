/**
 * Cancelling an operation wherever it can be cancelled.
 *
 * Invariant: one run for each moment at which a cancellation could arrive, among them the one between hand-over and
 * resumption; the last run is the one that came to its end before its moment.
 */
import { DeadlockError } from "@anyloop/core";
import { attempt } from "./attempt.ts";
import { attemptOptions, type OneRunOptions } from "./explore.ts";
import type { Choice, Chooser } from "./explorer-loop.ts";
import { deviationsOf } from "./schedule.ts";
import { failureOf } from "./schedule-failure.ts";
import type { Explored } from "./victim.ts";

/** What was done, if nothing failed. */
export interface Cancellations {
  /** Moments at which the body was cancelled, each in a run of its own. */
  readonly cancelled: number;
}

/** Takes the usual way, and cancels at the given moment. */
class CancelAt implements Chooser {
  private left: number;

  constructor(moment: number) {
    this.left = moment;
  }

  choose(choices: readonly Choice[]): number {
    const last = choices.length - 1;
    return choices[last]?.kind === "cancel" && this.left-- === 0 ? last : 0;
  }
}

/**
 * Performs a body again and again, cancelled at its first checkpoint, its second, and so on, until a run has no further
 * one. Fails if the body throws anything but the cancellation, waits for ever, goes round in circles, leaves a timer, or
 * if `check` finds something.
 *
 * The body is cancelled as a whole; if it gives work to its `victim`, only that is, and what goes on beside it, and what
 * comes after it, can be part of the body.
 *
 * ```ts
 * const lock = new Lock();
 * const { cancelled } = await cancelEverywhere(
 *   function* () {
 *     const held = yield* lock.acquire();
 *     try {
 *       yield* sleep(1);
 *     } finally {
 *       held.release();
 *     }
 *   },
 *   {
 *     check() {
 *       if (lock.locked) throw new Error("the lock was left locked");
 *     },
 *   },
 * );
 * console.log(cancelled > 2); // true
 * ```
 *
 * @throws ScheduleFailure for the first moment that fails.
 */
export async function cancelEverywhere(body: Explored, options: OneRunOptions = {}): Promise<Cancellations> {
  // The first run, which is not cancelled, tells whether the body uses its victim.
  const { usedVictim } = await attempt(body, new CancelAt(Infinity), attemptOptions(options, 0, false));
  const conditions = attemptOptions(options, 0, !usedVictim);
  for (let moment = 0; ; moment++) {
    const outcome = await attempt(body, new CancelAt(moment), conditions);
    const { failure, wasCancelled } = outcome;
    // What waits for ever unless it is cancelled has had its last checkpoint.
    const waitsForEver = failure?.error instanceof DeadlockError;
    if (!wasCancelled && (failure === undefined || waitsForEver)) return { cancelled: moment };
    if (failure === undefined) continue;
    const when = wasCancelled ? `Cancelled at its checkpoint ${String(moment + 1)}` : "Not cancelled at all";
    throw await failureOf(body, deviationsOf(outcome.decisions), conditions, when, outcome);
  }
}
