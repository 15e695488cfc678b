/**
 * effection 4.1, as its guides and the docstrings of its API write it: operations are generators, tasks are spawned and
 * belong to the scope that spawned them.
 *
 * Where it differs: `useScope` is the cheapest operation that goes through its reducer, where another task gets its turn
 * and a halt is seen; the host gets none. Queues have no capacity, so nobody waits to send, and closing one reaches one
 * consumer only. A task's own `finally` runs before the tasks it spawned are halted. It has no lock, no semaphore and no
 * limit.
 */
import {
  createQueue,
  lift,
  type Operation,
  type Queue,
  run,
  scoped,
  sleep,
  spawn,
  suspend,
  type Task,
  until,
  useScope,
  withResolvers,
} from "effection";
import { heapUsed } from "../heap.ts";
import type { Performances } from "../scenario.ts";
import { cancellation, consumers, depths, recursion } from "../scenarios.ts";

type Version = (size: number) => Operation<number>;

function* joinEach(tasks: readonly Task<number>[]): Operation<number> {
  let sum = 0;
  for (const task of tasks) sum += yield* task;
  return sum;
}

function* one(): Operation<number> {
  return 1;
}

function* spawnOnce(size: number): Operation<number> {
  const tasks: Task<number>[] = [];
  for (let index = 0; index < size; index++) tasks.push(yield* spawn(one));
  return yield* joinEach(tasks);
}

function* spawnFresh(size: number): Operation<number> {
  const tasks: Task<number>[] = [];
  for (let index = 0; index < size; index++) {
    tasks.push(
      yield* spawn(function* () {
        return index;
      }),
    );
  }
  return yield* joinEach(tasks);
}

function* spin(size: number): Operation<number> {
  let count = 0;
  for (; count < size; count++) yield* useScope();
  return count;
}

function* resolvedPromise(size: number): Operation<number> {
  let total = 0;
  for (let index = 0; index < size; index++) total += yield* until(Promise.resolve(1));
  return total;
}

function* nap(ms: number): Operation<number> {
  yield* sleep(ms);
  return 1;
}

function* sleepStorm(size: number): Operation<number> {
  const tasks: Task<number>[] = [];
  for (let index = 0; index < size; index++) tasks.push(yield* spawn(() => nap((index % 100) + 1)));
  return yield* joinEach(tasks);
}

/** The next item of a queue that is not closed before everything was read. */
function* take(queue: Queue<number, never>): Operation<number> {
  return (yield* queue.next()).value;
}

function* echo(size: number, there: Queue<number, never>, back: Queue<number, never>): Operation<void> {
  for (let index = 0; index < size; index++) back.add((yield* take(there)) + 1);
}

function* pingPong(size: number): Operation<number> {
  const there = createQueue<number, never>();
  const back = createQueue<number, never>();
  const echoing = yield* spawn(() => echo(size, there, back));
  let last = 0;
  for (let index = 0; index < size; index++) {
    there.add(last);
    last = yield* take(back);
  }
  yield* echoing;
  return last;
}

function* addUp(queue: Queue<number, void>): Operation<number> {
  let total = 0;
  let next = yield* queue.next();
  while (next.done !== true) {
    total += next.value;
    next = yield* queue.next();
  }
  return total;
}

/** Lifted, as a channel's `send` is: it goes through the reducer, so the consumers keep up with the producer. */
function* produce(size: number, queue: Queue<number, void>): Operation<void> {
  const send = lift(queue.add);
  for (let item = 1; item <= size; item++) yield* send(item);
  for (let consumer = 0; consumer < consumers; consumer++) queue.close();
}

function* fanOut(size: number): Operation<number> {
  const queue = createQueue<number, void>();
  const tasks: Task<number>[] = [];
  for (let consumer = 0; consumer < consumers; consumer++) tasks.push(yield* spawn(() => addUp(queue)));
  const producing = yield* spawn(() => produce(size, queue));
  const total = yield* joinEach(tasks);
  yield* producing;
  return total;
}

function* parked(counted: { out: number }): Operation<void> {
  try {
    yield* suspend();
  } finally {
    counted.out++;
  }
}

function* cancelAll(size: number): Operation<number> {
  const counted = { out: 0 };
  yield* scoped(function* () {
    for (let index = 0; index < size; index++) void (yield* spawn(() => parked(counted)));
    // They begin when this task waits; leaving the scope halts them.
    yield* sleep(0);
  });
  return counted.out;
}

function* nest(depth: number, counted: { scopes: number }): Operation<void> {
  if (depth === 0) {
    yield* useScope();
    return;
  }
  counted.scopes++;
  yield* scoped(() => nest(depth - 1, counted));
}

function* nestedScopes(size: number): Operation<number> {
  const counted = { scopes: 0 };
  for (let round = 0; round < size / 100; round++) yield* nest(100, counted);
  return counted.scopes;
}

function* descend(depth: number): Operation<number> {
  if (depth > 1) return yield* descend(depth - 1);
  let total = 0;
  for (let wait = 0; wait < recursion.waits; wait++) total += yield* until(Promise.resolve(1));
  return total;
}

function* recurse(size: number): Operation<number> {
  let total = 0;
  for (let level = 0; level < size; level += recursion.depth) total += yield* descend(recursion.depth);
  return total;
}

/** Opens when as many as it was made for have arrived. */
class Barrier {
  private readonly opened = withResolvers<void>();
  private missing: number;

  constructor(parties: number) {
    this.missing = parties;
  }

  wait(): Operation<void> {
    if (--this.missing === 0) this.opened.resolve();
    return this.opened.operation;
  }
}

interface Site {
  readonly barrier: Barrier;
  readonly held: Set<object>;
  released: number;
}

function* worker(site: Site, depth: number): Operation<void> {
  const resource = {};
  site.held.add(resource);
  try {
    if (depth > 1) void (yield* spawn(() => worker(site, depth - 1)));
    yield* site.barrier.wait();
    yield* suspend();
  } finally {
    if (site.held.delete(resource)) site.released++;
  }
}

function* effectionCancellation(size: number): Operation<number> {
  const workers = cancellation.workers * cancellation.depth;
  let released = 0;
  for (let round = 0; round < size / workers; round++) {
    const site: Site = { barrier: new Barrier(workers + 1), held: new Set(), released: 0 };
    yield* scoped(function* () {
      for (let index = 0; index < cancellation.workers; index++) {
        void (yield* spawn(() => worker(site, cancellation.depth)));
      }
      yield* site.barrier.wait();
    });
    if (site.held.size > 0) throw new Error("Something was not released.");
    released += site.released;
  }
  return released;
}

function* spinAt(depth: number, size: number): Operation<number> {
  return yield* depth === 0 ? spin(size) : spinAt(depth - 1, size);
}

function resumeAt(depth: number): Version {
  return function* (size) {
    const tasks = [yield* spawn(() => spinAt(depth, size / 2)), yield* spawn(() => spinAt(depth, size / 2))];
    return yield* joinEach(tasks);
  };
}

function* parkedBytes(size: number): Operation<number> {
  const before = heapUsed();
  for (let index = 0; index < size; index++) void (yield* spawn(suspend));
  yield* sleep(0);
  return (heapUsed() - before) / size;
}

const versions: Readonly<Record<string, Version>> = {
  "spawn-once": spawnOnce,
  "spawn-fresh": spawnFresh,
  checkpoint: spin,
  "resolved-promise": resolvedPromise,
  "sleep-storm": sleepStorm,
  "ping-pong-Infinity": pingPong,
  "fan-out": fanOut,
  cancel: cancelAll,
  "nested-scopes": nestedScopes,
  recursion: recurse,
  "effection-cancellation": effectionCancellation,
  "depth-1": resumeAt(depths[0]),
  "depth-1000": resumeAt(depths[1]),
  "parked-bytes": parkedBytes,
};

/** Each version in a `run` of its own. */
export const performances: Performances = Object.fromEntries(
  Object.entries(versions).map(([id, version]) => [id, (size: number) => run(() => version(size))]),
);
