/**
 * What anyloop promises itself: ratios within one run, and a few absolutes. Checked against each run's own figures.
 *
 * Invariant: a goal whose figures are missing is not met; it is not judged, and says so.
 */
import { us } from "./contestants.ts";
import type { Results } from "./results.ts";

interface Goal {
  readonly scenario: string;
  /** Whose figure is judged; the kernel's if not given. */
  readonly who?: string;
  /** Compared with this contestant's figure; if not given, `most` is absolute. */
  readonly against?: string;
  /** The judged figure is at most so many times the other, or so many units. */
  readonly most: number;
}

const times = (scenario: string, against: string, most: number, who = us): Goal => ({
  scenario,
  who,
  against,
  most,
});
const absolute = (scenario: string, most: number): Goal => ({ scenario, most });

const goals: readonly Goal[] = [
  times("spawn-once", "promises", 3),
  times("spawn-once", "effect", 1 / 4),
  times("spawn-once", "effection", 1 / 100),
  times("spawn-fresh", "effect", 1),
  times("spawn-plain", "effect", 1),
  times("checkpoint", "promises", 1.3),
  times("checkpoint", "effect", 1),
  times("checkpoint", "promises", 2, "native"),
  times("resolved-promise", "promises", 5),
  times("resolved-promise", "effect", 1 / 2),
  times("ping-pong-1", "promises", 2),
  times("ping-pong-1", "effect", 1 / 8),
  times("ping-pong-1", "effection", 1 / 3),
  times("ping-pong-1", "@thi.ng/csp", 1),
  absolute("lock-free", 100),
  absolute("cancel-100000", 1700),
  times("cancel-100000", "effect", 1),
  times("cancel-100000", "shared AbortSignal", 1 / 100),
  absolute("parked-bytes", 500),
  times("effection-cancellation", "AbortController", 0.5),
  times("await-ready", "promises", 1.5, "kernel async"),
  times("sleep-storm", "promises", 1 / 1.5),
  absolute("bundle", 5000),
  times("bundle", "effection", 1),
  times("bundle", "effect", 1),
  absolute("start-up", 10),
  ...[
    "workload-pipeline",
    "workload-fan-out",
    "workload-queue",
    "workload-resilience",
    "workload-pool",
    "workload-gate",
    "workload-all",
  ].map((id) => times(id, "effect", 1)),
];

export interface Verdict {
  readonly text: string;
  readonly figure: string;
  readonly met: boolean | undefined;
}

function show(value: number): string {
  return value < 10 ? value.toFixed(2) : value.toFixed(0);
}

/** Every goal of the scenarios that were run. */
export function judge({ rows }: Results): Verdict[] {
  return goals.flatMap(({ scenario, who = us, against, most }): Verdict[] => {
    const row = rows.find(({ id }) => id === scenario);
    if (row === undefined) return [];
    const value = row.figures[who];
    const other = against === undefined ? 1 : row.figures[against];
    const limit = against === undefined ? `${String(most)} ${row.unit}` : `${show(most)}× ${against}`;
    const text = `${row.title}: ${who} at most ${limit}`;
    if (value === undefined || other === undefined) return [{ text, figure: "–", met: undefined }];
    const figure = value / other;
    return [
      { text, figure: show(figure) + (against === undefined ? ` ${row.unit}` : "×"), met: figure <= most },
    ];
  });
}
