/**
 * Looking for the order of events in which a body fails.
 *
 * A body that passes its tests has passed them in one order of its tasks. Here it runs in many, each of which an ordinary
 * loop may take some day, and the first that fails is cut down to what matters and told.
 */
import { type AnyWork, UsageError } from "@anyloop/core";
import { attempt, type Attempt, type AttemptOptions, defaultSteps } from "./attempt.ts";
import { seeded } from "./random.ts";
import { scheduleFromString } from "./schedule.ts";
import { failureOf } from "./schedule-failure.ts";
import { shortest } from "./shrink.ts";
import { Exhaustive, Following, Priorities, RandomWalk, type Strategy } from "./strategies.ts";
import type { Explored } from "./victim.ts";

/** What concerns every single run. */
export interface OneRunOptions {
  /** Performed after each run: throws if something was left behind. */
  readonly check?: AnyWork | undefined;
  /** Steps after which one run counts as endless; 10 000 if not given. */
  readonly steps?: number | undefined;
}

export interface ExploreOptions extends OneRunOptions {
  /** Schedules to try; 1 000 if not given. */
  readonly runs?: number | undefined;
  /** A whole number, 1 if not given: the same seed tries the same schedules. */
  readonly seed?: number | undefined;
  /**
   * `"random"` (default): anything may happen next. `"priorities"`: some tasks go first all the time, and are
   * overtaken at a few points (PCT), which finds what needs long runs. `"exhaustive"`: every schedule, those nearest to the usual
   * order first; for small bodies.
   */
  readonly strategy?: "random" | "priorities" | "exhaustive" | undefined;
  /**
   * Milliseconds that the host may be busy elsewhere: so far the clock may run ahead while tasks are ready. 0 if not
   * given: time stands still as long as somebody can go on. `Infinity` lets every timeout strike anywhere.
   */
  readonly stallMs?: number | undefined;
}

/** What was looked at, if nothing failed. */
export interface Exploration {
  readonly runs: number;
  /** Whether that was every schedule there is; only `"exhaustive"` can tell. */
  readonly complete: boolean;
}

const defaults = { runs: 1_000, seed: 1 };

function strategyOf({ strategy = "random", seed = defaults.seed }: ExploreOptions): Strategy {
  switch (strategy) {
    case "random":
      return new RandomWalk(seeded(seed));
    case "priorities":
      return new Priorities(seeded(seed));
    case "exhaustive":
      return new Exhaustive();
    default:
      throw new UsageError(
        `The strategy is ${String(strategy)}. Give "random", "priorities" or "exhaustive".`,
      );
  }
}

function checkWhole(value: number, what: string, least: number): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw new UsageError(`${what} is ${String(value)}. Give a whole number, ${String(least)} or more.`);
}

/** @internal Options of one run, checked. */
export function attemptOptions(options: OneRunOptions, stallMs: number, cancelsAll: boolean): AttemptOptions {
  const { steps = defaultSteps, check } = options;
  if (!(stallMs >= 0))
    throw new UsageError(`stallMs is ${String(stallMs)}. Give a number of milliseconds, 0 or more.`);
  return { stallMs, cancelsAll, steps: checkWhole(steps, "steps", 1), check };
}

/**
 * Performs a body again and again, each time in another order of its tasks, timers and cancellations, in virtual time.
 * The body makes everything it uses, so that each run starts afresh, and throws if something is wrong at its end. What it
 * gives to its `victim` is cancelled at some moment, another in each run.
 *
 * ```ts
 * const error = await explore(function* () {
 *   let balance = 0;
 *   const deposit = function* () {
 *     const before = balance;
 *     yield* sleep(1); // somebody else may come in between
 *     balance = before + 10;
 *   };
 *   yield* all([deposit, deposit]);
 *   if (balance !== 20) throw new Error(`${balance} instead of 20`);
 * }).catch((error) => error);
 * console.log(error.cause.message); // 10 instead of 20
 * ```
 *
 * @throws ScheduleFailure for the first failure, with its shortest schedule; UsageError for options that cannot be.
 */
export async function explore(body: Explored, options: ExploreOptions = {}): Promise<Exploration> {
  const runs = checkWhole(options.runs ?? defaults.runs, "runs", 1);
  checkWhole(options.seed ?? defaults.seed, "The seed", -Infinity);
  const strategy = strategyOf(options);
  const conditions = attemptOptions(options, options.stallMs ?? 0, false);
  for (let tried = 0; tried < runs; tried++) {
    const chooser = strategy.next();
    if (chooser === undefined) return { runs: tried, complete: true };
    const outcome = await attempt(body, chooser, conditions);
    if (outcome.failure !== undefined)
      throw await report(
        body,
        outcome,
        conditions,
        `In schedule ${String(tried + 1)} of at most ${String(runs)}`,
      );
    strategy.learn(outcome.decisions);
  }
  return { runs, complete: false };
}

async function report(
  body: Explored,
  outcome: Attempt,
  options: AttemptOptions,
  when: string,
): Promise<Error> {
  const deviations = await shortest(body, outcome, options);
  return await failureOf(body, deviations, options, when, outcome);
}

/**
 * Performs a body once more under the schedule that a `ScheduleFailure` has printed. A debugger may stop in it: the order
 * does not depend on how long anything takes. The options are to be those with which it was found.
 *
 * ```ts
 * const body = function* () {
 *   yield* sleep(1);
 * };
 * await replay(body, "s1"); // the usual order
 * ```
 *
 * @throws ScheduleFailure if it fails again; UsageError if the schedule does not fit the body (any more).
 */
export async function replay(body: Explored, schedule: string, options: OneRunOptions = {}): Promise<void> {
  const { conditions, deviations } = scheduleFromString(schedule);
  const { cancelsAll, stallMs } = conditions;
  const chooser = new Following(deviations);
  const checked = attemptOptions(options, stallMs, cancelsAll);
  const outcome = await attempt(body, chooser, checked);
  if (outcome.failure !== undefined)
    throw await failureOf(body, deviations, checked, "Under the schedule that was given", outcome);
  if (!chooser.isDone) {
    throw new UsageError(
      "The schedule does not fit the body: it decides where there is nothing to decide. " +
        "The body has changed, or does not depend on the schedule alone.",
    );
  }
}
