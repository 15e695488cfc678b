/**
 * Effect's seven core workloads: what each does, in words. The versions are in `contestants/workloads/`.
 *
 * As in effect's own benchmark each round is a small program from boot to shutdown: a run of its own, its services made
 * anew, its resources closed. In two places the work is another. There, which side wins a hedged race is the scheduler's
 * business, and with it how often a call fails; here the replica is slow enough that everybody's primary wins, after the
 * same failures. And the gate is opened when its tasks have come to it, not before.
 */
import type { Scenario } from "./scenario.ts";

/** Requests, or jobs, in one round. */
export const requests = 100;
/** The keys they reuse, so that a cache warms up. */
export const keys = 25;
/** Every so manyth id belongs to nobody, and looking it up fails. */
export const nobody = 7;
export const queueCapacity = 32;
export const queueWorkers = 4;
export const fanOutLimit = 16;
/** A flaky call fails but for every third time; it is tried again so often, in so much time. */
export const flaky = { every: 3, retries: 5, timeout: 10_000 } as const;
/** Turns that the replica needs. */
export const replicaTurns = 20;
export const connections = 4;
export const units = { count: 20, queries: 5 } as const;
export const gated = 25;
/** All of it. */
export const service = { workers: 3, producers: 8, retries: 2, timeout: 10_000 } as const;

/** The numbers from 0 to below `count`. */
export function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** The requests of a round. */
export const ids: readonly number[] = numbers(requests);

function workload(
  id: string,
  title: string,
  work: string,
  rounds: number,
  items: number,
  figure: number,
): Scenario {
  return {
    id: `workload-${id}`,
    title,
    work,
    size: rounds * items,
    expected: (size) => (size / items) * figure,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Whoever has no name. */
function nobodyAmong(all: readonly number[]): number {
  return all.filter((id) => id % nobody === 0).length;
}

/** Of the queries 1… of a unit, each answered by one of the connections 1…: its number times the query's. */
const unitAnswer: number = sum(numbers(units.queries).map((n) => (((n + 1) % connections) + 1) * (n + 1)));

/** Of the requests of a round, those that the cache or the directory has nobody for. */
const unnamed: number = nobodyAmong(numbers(keys)) * (requests / keys);

export const workloads: readonly Scenario[] = [
  workload(
    "pipeline",
    "effect's request pipeline",
    "A hundred requests one after the other, for 25 keys: look in the cache, else ask the directory, which gives way " +
      "once and has nobody under every seventh key: that error, told by its type, becomes somebody anonymous; count the " +
      "question; remember the answer. Checked: hits, questions, anonymous answers. An item is one request.",
    800,
    requests,
    requests + unnamed,
  ),
  workload(
    "fan-out",
    "effect's fan-out, 16 × 3",
    "A hundred profiles, at most sixteen at once, each put together from three things fetched at once (each gives way " +
      "once; somebody may be missing, as in the pipeline). Checked: posts, anonymous users and dark themes add up. An " +
      "item is one profile.",
    150,
    requests,
    sum(ids) * 3 + nobodyAmong(ids) + requests / 2,
  ),
  workload(
    "queue",
    "effect's queue of 32 and 4 workers",
    "One puts a hundred jobs into a queue of 32 and ends it; four workers take until the end, each job giving way " +
      "once, and add up. An item is one job.",
    800,
    requests,
    sum(ids),
  ),
  workload(
    "resilience",
    "effect's retries, timeout and hedged race",
    "A hundred requests one after the other: the primary gives way, fails twice and answers the third time, with up to " +
      "five retries and ten seconds for all of it; it races a replica that would answer after twenty turns, and is " +
      "cancelled. Checked: failures and answers of the primary. An item is one request.",
    50,
    requests,
    requests * flaky.every,
  ),
  workload(
    "pool",
    "effect's pool of 4 connections",
    "Open four connections, each closed whatever happens; one after the other 20 units of work ask 5 queries each, which " +
      "hold one of four permits and give way; close. Checked: the answers, and that none is left open. An item is one " +
      "query.",
    800,
    units.count * units.queries,
    units.count * unitAnswer,
  ),
  workload(
    "gate",
    "effect's gate, 25 tasks",
    "Start 25 tasks that wait for one gate; once they do, open it; each gives way once and answers; join each in order " +
      "and add up. An item is one task.",
    3000,
    gated,
    sum(numbers(gated)) * 2,
  ),
  workload(
    "all",
    "effect's full application",
    "A listener is opened; three workers serve from a queue of 32 as in the pipeline, with up to two retries and ten " +
      "seconds for a question; a hundred requests are put in, eight at a time; the queue is ended, the workers joined, " +
      "the listener closed. Checked: requests served, anonymous answers, and calls for each question asked in vain (two " +
      "workers may ask for one key at once). An item is one request.",
    150,
    requests,
    requests + unnamed + 1 + service.retries,
  ),
];
