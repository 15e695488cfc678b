/**
 * From a schedule that fails to one of the shortest that does.
 *
 * Whole stretches of its departures from the usual order are taken back as long as the body still fails in the same way;
 * then every schedule with fewer departures than are left is tried, nearest to the usual order first.
 *
 * Invariant: what comes out was run and has failed.
 */
import { attempt, type Attempt, type AttemptOptions } from "./attempt.ts";
import { type Deviation, deviationsOf } from "./schedule.ts";
import { Exhaustive, Following } from "./strategies.ts";
import type { Explored } from "./victim.ts";

/** Runs that shrinking may take. */
const most = 2_000;

type Fails = (deviations: readonly Deviation[]) => Promise<readonly Deviation[] | undefined>;

export async function shortest(
  body: Explored,
  failed: Attempt,
  options: AttemptOptions,
): Promise<readonly Deviation[]> {
  let left = most;
  const fails: Fails = async (deviations) => {
    if (left === 0) return undefined;
    left--;
    const outcome = await attempt(body, new Following(deviations), options);
    return failsAlike(outcome, failed) ? deviationsOf(outcome.decisions) : undefined;
  };
  const cut = await takeBack(deviationsOf(failed.decisions), fails);
  const fewer = new Exhaustive(cut.length - 1);
  for (
    let chooser = cut.length === 0 ? undefined : fewer.next();
    chooser !== undefined;
    chooser = fewer.next()
  ) {
    if (left-- <= 0) break;
    const outcome = await attempt(body, chooser, options);
    if (failsAlike(outcome, failed)) return deviationsOf(outcome.decisions);
    fewer.learn(outcome.decisions);
  }
  return cut;
}

/** Delta debugging: takes away halves, then quarters, then single departures, until none can be spared. */
async function takeBack(all: readonly Deviation[], fails: Fails): Promise<readonly Deviation[]> {
  let current = all;
  for (let size = current.length; size >= 1;) {
    let shrunk = false;
    for (let start = 0; start < current.length; start += size) {
      const rest = [...current.slice(0, start), ...current.slice(start + size)];
      const made = await fails(rest);
      // What the body made of it may be longer than what it was given.
      if (made === undefined || made.length >= current.length) continue;
      current = made;
      shrunk = true;
      break;
    }
    size = Math.min(shrunk ? size : Math.floor(size / 2), current.length);
  }
  return current;
}

/** Another error would be another bug. */
function failsAlike(outcome: Attempt, failed: Attempt): boolean {
  return outcome.failure !== undefined && kindOf(outcome.failure.error) === kindOf(failed.failure?.error);
}

function kindOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
