/** The scenarios, in the order of the table. */
import type { Scenario } from "./scenario.ts";
import { workloads } from "./workloads.ts";

const all = (size: number): number => size;
const growth = [1000, 10_000, 100_000, 1_000_000] as const;

/** Consumers of one producer. */
export const consumers = 8;
/** Tasks that fight for one lock, and for a semaphore of `slots`. */
export const rivals = 16;
export const slots = 4;
/** Effection's scenarios: workers, and how deep each nests. */
export const cancellation = { workers: 100, depth: 10 } as const;
export const recursion = { depth: 1000, waits: 100 } as const;
/** Depths at which a resume is measured. */
export const depths = [1, 1000] as const;

export const scenarios: readonly Scenario[] = [
  {
    id: "spawn-once",
    title: "spawn + join, body defined once",
    work: "Start a task a time that gives 1, keep all; then join each and add up.",
    size: 100_000,
    expected: all,
    growth,
  },
  {
    id: "spawn-fresh",
    title: "spawn + join, a fresh generator each",
    work:
      "The same, each task's body written inline, closing over its number, which it gives: a generator function where " +
      "that is how one writes what waits, an async function elsewhere.",
    size: 100_000,
    expected: (size) => (size * (size - 1)) / 2,
  },
  {
    id: "spawn-plain",
    title: "spawn + join, a fresh plain closure each",
    work: "The same; the closure cannot wait for anything: a plain function where tasks may be one.",
    size: 100_000,
    expected: (size) => (size * (size - 1)) / 2,
  },
  {
    id: "checkpoint",
    title: "checkpoint",
    work: "One task gives way again and again: the cheapest operation that looks for cancellation.",
    size: 1_000_000,
    expected: all,
  },
  {
    id: "resolved-promise",
    title: "wait for a resolved promise",
    work: "One task waits for a promise made already resolved, and adds up what it gives.",
    size: 200_000,
    expected: all,
  },
  {
    id: "await-ready",
    title: "await what does not block",
    work: "An async function awaits something that is there already; the floor awaits a bare thenable.",
    size: 200_000,
    expected: all,
  },
  {
    id: "sleep-storm",
    title: "sleep storm",
    work: "A task each sleeps between 1 and 100 ms (its number modulo 100, plus 1); all are joined. Processor time.",
    size: 100_000,
    expected: all,
    clock: "cpu",
    growth,
  },
  ...[0, 1, 64, Infinity].map((capacity) => ({
    id: `ping-pong-${String(capacity)}`,
    title: `ping-pong, capacity ${capacity === Infinity ? "unbounded" : String(capacity)}`,
    work: `Two tasks and two streams of this capacity: a number goes there, comes back one larger, and goes again.`,
    size: 100_000,
    expected: all,
  })),
  {
    id: "fan-out",
    title: "one producer, eight consumers",
    work: "A task sends the numbers 1… through one stream of 64; eight tasks receive until it is closed, and add up.",
    size: 200_000,
    expected: (size) => (size * (size + 1)) / 2,
  },
  {
    id: "lock-free",
    title: "lock, uncontended",
    work: "One task acquires and releases.",
    size: 500_000,
    expected: all,
  },
  {
    id: "lock-contended",
    title: "lock, contended",
    work: "Sixteen tasks acquire one lock in turn, give way while they hold it, and release; no two may hold at once.",
    size: 100_000,
    expected: all,
  },
  {
    id: "semaphore",
    title: "semaphore of 4, sixteen tasks",
    work: "As with the lock, at most four at once.",
    size: 100_000,
    expected: all,
  },
  {
    id: "limit",
    title: "at most 16 at once",
    work: "Map over the items with at most sixteen bodies running, each giving way once, and add up.",
    size: 100_000,
    expected: (size) => (size * (size - 1)) / 2,
  },
  ...[10_000, 100_000].map((size) => ({
    id: `cancel-${String(size)}`,
    version: "cancel",
    title: `cancel ${String(size)} parked tasks`,
    work: "Start tasks that wait for ever, each counting itself out in a `finally`; cancel them together; wait for all.",
    size,
    isFixed: true,
    expected: all,
    ...(size === 100_000 ? { growth } : {}),
  })),
  {
    id: "nested-scopes",
    title: "nested scopes",
    work: "Enter a hundred cancel scopes, one inside the other, give way, and leave them. An item is one scope.",
    size: 100_000,
    expected: all,
  },
  {
    id: "recursion",
    title: "recursion to depth 1000",
    work: "Delegate to the depth of 1 000, wait there a hundred times for a resolved promise, return. An item is one level.",
    size: 10 * recursion.depth,
    expected: (size) => (size / recursion.depth) * recursion.waits,
  },
  {
    id: "effection-cancellation",
    title: "effection's cancellation, 100 × depth 10",
    work:
      "Each worker starts a nested one down to the depth; each allocates, meets the others at a barrier, waits for ever and " +
      "releases in `finally`; the scope ends, and what was allocated must have been released. An item is one worker.",
    size: 10 * cancellation.workers * cancellation.depth,
    expected: all,
  },
  ...depths.map((depth) => ({
    id: `depth-${String(depth)}`,
    title: `resume at depth ${String(depth)}`,
    work: "Two tasks give way in turn at this depth of delegation. An item is one resume.",
    size: 200_000,
    expected: all,
  })),
  {
    id: "parked-bytes",
    title: "bytes per parked task",
    work: "Heap after a collection, with and without tasks that wait for ever (body defined once).",
    size: 100_000,
    expected: all,
    unit: "B",
  },
  ...workloads,
];
