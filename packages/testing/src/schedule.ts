/**
 * A schedule in writing: where a run departed from the usual order, and nothing else.
 *
 * Invariant: a schedule that was read from its own text makes the same decisions. The usual order needs no words, so what
 * is written grows with what is odd about a run, not with its length.
 */
import { UsageError } from "@anyloop/core";

/** What was decided where there was a choice: which of how many. The usual one is number 0. */
export interface Decision {
  readonly chosen: number;
  readonly of: number;
}

/** At which decision another than the usual one is taken, and which. */
export interface Deviation {
  readonly at: number;
  readonly take: number;
}

/** Under what conditions a schedule was made: they decide what there is to choose from. */
export interface Conditions {
  /** Milliseconds by which the clock may run ahead of tasks that are ready. */
  readonly stallMs: number;
  /** Whether the whole body may be cancelled, or only what it gives to its `victim`. */
  readonly cancelsAll: boolean;
}

export interface Schedule {
  readonly conditions: Conditions;
  readonly deviations: readonly Deviation[];
}

export function deviationsOf(decisions: readonly Decision[]): Deviation[] {
  return decisions.flatMap(({ chosen }, at) => (chosen === 0 ? [] : [{ at, take: chosen }]));
}

const version = "s1";

export function scheduleToString({ conditions, deviations }: Schedule): string {
  return [
    version,
    ...(conditions.stallMs > 0 ? [`stall=${String(conditions.stallMs)}`] : []),
    ...(conditions.cancelsAll ? ["all"] : []),
    ...deviations.map(({ at, take }) => `${String(at)}:${String(take)}`),
  ].join(" ");
}

/** @throws UsageError for a text that is no schedule. */
export function scheduleFromString(text: string): Schedule {
  if (typeof text !== "string") throw notASchedule(text);
  const [first, ...words] = text.trim().split(/\s+/);
  if (first !== version) throw notASchedule(text);
  let stallMs = 0;
  let cancelsAll = false;
  const deviations: Deviation[] = [];
  for (const word of words) {
    const deviation = /^(\d+):(\d+)$/.exec(word);
    const stall = /^stall=([\d.e+]+|Infinity)$/.exec(word);
    if (deviation !== null) deviations.push({ at: Number(deviation[1]), take: Number(deviation[2]) });
    else if (stall !== null) stallMs = Number(stall[1]);
    else if (word === "all") cancelsAll = true;
    else throw notASchedule(text);
  }
  return { conditions: { stallMs, cancelsAll }, deviations };
}

function notASchedule(text: unknown): UsageError {
  return new UsageError(
    `This is no schedule: ${JSON.stringify(text) ?? "undefined"}. Copy the whole string that explore() or cancelEverywhere() printed.`,
  );
}
