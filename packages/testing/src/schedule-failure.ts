/** The error that tells of a schedule that fails: what happened, how to repeat it, and who ran when. */
import { AnyloopError } from "@anyloop/core";
import { attempt, type Attempt, type AttemptOptions, defaultSteps } from "./attempt.ts";
import { type Deviation, deviationsOf, scheduleToString } from "./schedule.ts";
import { brief, ScheduleTrace } from "./schedule-trace.ts";
import { Following } from "./strategies.ts";
import type { Explored } from "./victim.ts";

/** Thrown by `explore`, `replay` and `cancelEverywhere`. `cause` is what the body threw. */
export class ScheduleFailure extends AnyloopError {
  override readonly name = "ScheduleFailure";
  readonly code = "SCHEDULE_FAILED";
  /** For `replay`. */
  readonly schedule: string;
  /** Who ran when, one line for each stretch in which the same task went on. */
  readonly trace: string;

  /** @internal */
  constructor(message: string, schedule: string, trace: string, cause: unknown) {
    super(message, { cause });
    this.schedule = schedule;
    this.trace = trace;
  }
}

/** Runs a failing schedule once more, writing down what happens. */
export async function failureOf(
  body: Explored,
  deviations: readonly Deviation[],
  options: AttemptOptions,
  when: string,
  failed: Attempt,
): Promise<ScheduleFailure> {
  const trace = new ScheduleTrace();
  const again = await attempt(body, new Following(deviations), { ...options, witness: trace });
  const schedule = scheduleToString({ conditions: options, deviations: deviationsOf(again.decisions) });
  const cause = again.failure === undefined ? failed.failure?.error : again.failure.error;
  const told = trace.toString();
  return new ScheduleFailure(
    [
      `${when} the body failed: ${brief(cause)}`,
      "",
      again.failure === undefined
        ? notAgain
        : `Repeat it with:  await replay(${["body", JSON.stringify(schedule), ...optionsOf(options)].join(", ")});`,
      "",
      "Who ran when (▸ marks where it departs from the usual order):",
      told,
    ].join("\n"),
    schedule,
    told,
    cause,
  );
}

/** What `replay` is to be given as well: a failure that `check` found does not show without it. */
function optionsOf({ check, steps }: AttemptOptions): string[] {
  const given = [
    ...(check === undefined ? [] : ["check"]),
    ...(steps === defaultSteps ? [] : [`steps: ${String(steps)}`]),
  ];
  return given.length === 0 ? [] : [`{ ${given.join(", ")} }`];
}

const notAgain =
  "It did not fail again under the same schedule: the body depends on something else as well (the host's clock, " +
  "chance, I/O, or what an earlier run left). Make everything it uses inside the body.";
