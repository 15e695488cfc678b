/**
 * effect 4.1, as its documentation and its own benchmarks write it: `Effect.gen` for what is a loop, combinators for what
 * is a pipeline, whichever of the two was faster.
 *
 * What differs: "gives way" is `Effect.yieldNow`, a turn of the host for each batch; the `checkpoint` is the cheapest
 * effect that its loop sees at all, a `sync`. A fiber's body is the smallest there is (`succeed`, `sync`, `never`), not a
 * generator, which costs it up to twice the time and twice the bytes. `Fiber.join` throws no wrapper. Nearest to a
 * cancel scope, and cheaper than its `timeout` (a fiber each), is `Effect.scoped`, which cannot be cancelled by itself.
 */
import { type Cause, Effect, Fiber, Latch, Queue, Semaphore } from "effect";
import { heapUsed } from "../heap.ts";
import type { Performances } from "../scenario.ts";
import { cancellation, consumers, depths, recursion, rivals, slots } from "../scenarios.ts";
import { workloads } from "./workloads/effect.ts";

type Version = (size: number) => Effect.Effect<number>;

const joinEach = Effect.fnUntraced(function* (fibers: readonly Fiber.Fiber<number>[]) {
  let sum = 0;
  for (const fiber of fibers) sum += yield* Fiber.join(fiber);
  return sum;
});

const one = Effect.succeed(1);

const spawnOnce: Version = Effect.fnUntraced(function* (size: number) {
  const fibers: Fiber.Fiber<number>[] = [];
  for (let index = 0; index < size; index++) fibers.push(yield* Effect.forkChild(one));
  return yield* joinEach(fibers);
});

const spawnFresh: Version = Effect.fnUntraced(function* (size: number) {
  const fibers: Fiber.Fiber<number>[] = [];
  for (let index = 0; index < size; index++) {
    fibers.push(
      yield* Effect.forkChild(
        Effect.gen(function* () {
          return index;
        }),
      ),
    );
  }
  return yield* joinEach(fibers);
});

const spawnPlain: Version = Effect.fnUntraced(function* (size: number) {
  const fibers: Fiber.Fiber<number>[] = [];
  for (let index = 0; index < size; index++) fibers.push(yield* Effect.forkChild(Effect.sync(() => index)));
  return yield* joinEach(fibers);
});

const checkpoint: Version = Effect.fnUntraced(function* (size: number) {
  let count = 0;
  const step = Effect.sync(() => {
    count++;
  });
  for (let index = 0; index < size; index++) yield* step;
  return count;
});

const resolvedPromise: Version = Effect.fnUntraced(function* (size: number) {
  let total = 0;
  for (let index = 0; index < size; index++) total += yield* Effect.promise(() => Promise.resolve(1));
  return total;
});

const sleepStorm: Version = Effect.fnUntraced(function* (size: number) {
  const fibers: Fiber.Fiber<number>[] = [];
  for (let index = 0; index < size; index++) {
    fibers.push(yield* Effect.forkChild(Effect.as(Effect.sleep((index % 100) + 1), 1)));
  }
  return yield* joinEach(fibers);
});

function makeQueue(capacity: number): Effect.Effect<Queue.Queue<number>> {
  return capacity === Infinity ? Queue.unbounded<number>() : Queue.bounded<number>(capacity);
}

function pingPong(capacity: number): Version {
  return Effect.fnUntraced(function* (size: number) {
    const there = yield* makeQueue(capacity);
    const back = yield* makeQueue(capacity);
    yield* Queue.take(there).pipe(
      Effect.flatMap((item) => Queue.offer(back, item + 1)),
      Effect.forever,
      Effect.forkChild,
    );
    let last = 0;
    for (let index = 0; index < size; index++) {
      yield* Queue.offer(there, last);
      last = yield* Queue.take(back);
    }
    return last;
  });
}

function addUp(queue: Queue.Dequeue<number, Cause.Done>): Effect.Effect<number> {
  let total = 0;
  return Queue.take(queue).pipe(
    Effect.map((item) => {
      total += item;
    }),
    Effect.forever,
    Effect.catchTag("Done", () => Effect.sync(() => total)),
  );
}

const fanOut: Version = Effect.fnUntraced(function* (size: number) {
  const queue = yield* Queue.bounded<number, Cause.Done>(64);
  const fibers: Fiber.Fiber<number>[] = [];
  for (let index = 0; index < consumers; index++) fibers.push(yield* Effect.forkChild(addUp(queue)));
  for (let item = 1; item <= size; item++) yield* Queue.offer(queue, item);
  yield* Queue.end(queue);
  return yield* joinEach(fibers);
});

const lockFree: Version = Effect.fnUntraced(function* (size: number) {
  const lock = yield* Semaphore.make(1);
  let count = 0;
  for (; count < size; count++) {
    yield* lock.take(1);
    yield* lock.release(1);
  }
  return count;
});

function contended(limit: number): Version {
  return Effect.fnUntraced(function* (size: number) {
    const semaphore = yield* Semaphore.make(limit);
    let held = 0;
    let count = 0;
    const enter = Effect.sync(() => {
      if (++held > limit) throw new Error("Too many at once.");
    });
    const leave = Effect.sync(() => {
      held--;
      count++;
    });
    const work = semaphore.withPermit(
      enter.pipe(
        Effect.flatMap(() => Effect.yieldNow),
        Effect.flatMap(() => leave),
      ),
    );
    const rival = Effect.gen(function* () {
      for (let round = 0; round < size / rivals; round++) yield* work;
    });
    yield* Effect.all(
      Array.from({ length: rivals }, () => rival),
      { concurrency: "unbounded", discard: true },
    );
    return count;
  });
}

const limit: Version = Effect.fnUntraced(function* (size: number) {
  const results = yield* Effect.forEach(Array(size).keys(), (item) => Effect.as(Effect.yieldNow, item), {
    concurrency: 16,
  });
  let total = 0;
  for (const result of results) total += result;
  return total;
});

const cancelAll: Version = Effect.fnUntraced(function* (size: number) {
  let out = 0;
  const countOut = Effect.sync(() => {
    out++;
  });
  const fibers: Fiber.Fiber<never>[] = [];
  for (let index = 0; index < size; index++) {
    fibers.push(yield* Effect.forkChild(Effect.ensuring(Effect.never, countOut)));
  }
  yield* Effect.yieldNow;
  yield* Fiber.interruptAll(fibers);
  return out;
});

function nest(depth: number, enter: () => void): Effect.Effect<void> {
  if (depth === 0) return Effect.yieldNow;
  enter();
  return Effect.scoped(Effect.suspend(() => nest(depth - 1, enter)));
}

const nestedScopes: Version = Effect.fnUntraced(function* (size: number) {
  let scopes = 0;
  for (let round = 0; round < size / 100; round++) {
    yield* nest(100, () => {
      scopes++;
    });
  }
  return scopes;
});

const descend: (depth: number) => Effect.Effect<number> = Effect.fnUntraced(function* (depth: number) {
  if (depth > 1) return yield* descend(depth - 1);
  let total = 0;
  for (let wait = 0; wait < recursion.waits; wait++) total += yield* Effect.promise(() => Promise.resolve(1));
  return total;
});

const recurse: Version = Effect.fnUntraced(function* (size: number) {
  let total = 0;
  for (let level = 0; level < size; level += recursion.depth) total += yield* descend(recursion.depth);
  return total;
});

/** Where workers meet: it has no barrier, and a latch opened by the last to come is one. */
class Site {
  readonly held = new Set<object>();
  released = 0;
  private readonly latch = Latch.makeUnsafe();
  private missing: number;

  constructor(parties: number) {
    this.missing = parties;
  }

  readonly meet: Effect.Effect<void> = Effect.suspend(() =>
    --this.missing === 0 ? Effect.asVoid(this.latch.open) : this.latch.await,
  );
}

const worker: (site: Site, depth: number) => Effect.Effect<void> = Effect.fnUntraced(function* (
  site: Site,
  depth: number,
) {
  const resource = {};
  site.held.add(resource);
  yield* Effect.gen(function* () {
    if (depth > 1) yield* Effect.forkChild(worker(site, depth - 1));
    yield* site.meet;
    yield* Effect.never;
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        if (site.held.delete(resource)) site.released++;
      }),
    ),
  );
});

const hostWorkers = Effect.fnUntraced(function* (site: Site) {
  for (let index = 0; index < cancellation.workers; index++) {
    yield* Effect.forkChild(worker(site, cancellation.depth));
  }
  yield* site.meet;
});

const effectionCancellation: Version = Effect.fnUntraced(function* (size: number) {
  const workers = cancellation.workers * cancellation.depth;
  let released = 0;
  for (let round = 0; round < size / workers; round++) {
    const site = new Site(workers + 1);
    // The end of a fiber interrupts what it forked, and is waited for until that has ended.
    yield* Fiber.join(yield* Effect.forkChild(hostWorkers(site)));
    if (site.held.size > 0) throw new Error("Something was not released.");
    released += site.released;
  }
  return released;
});

const spin: Version = Effect.fnUntraced(function* (size: number) {
  let count = 0;
  for (; count < size; count++) yield* Effect.yieldNow;
  return count;
});

const spinAt: (depth: number, size: number) => Effect.Effect<number> = Effect.fnUntraced(function* (
  depth: number,
  size: number,
) {
  return yield* depth === 0 ? spin(size) : spinAt(depth - 1, size);
});

function resumeAt(depth: number): Version {
  return Effect.fnUntraced(function* (size: number) {
    const counts = yield* Effect.all([spinAt(depth, size / 2), spinAt(depth, size / 2)], {
      concurrency: "unbounded",
    });
    return counts[0] + counts[1];
  });
}

const parkedBytes: Version = Effect.fnUntraced(function* (size: number) {
  const before = heapUsed();
  for (let index = 0; index < size; index++) yield* Effect.forkChild(Effect.never);
  yield* Effect.yieldNow;
  return (heapUsed() - before) / size;
});

const versions: Readonly<Record<string, Version>> = {
  "spawn-once": spawnOnce,
  "spawn-fresh": spawnFresh,
  "spawn-plain": spawnPlain,
  checkpoint,
  "resolved-promise": resolvedPromise,
  "sleep-storm": sleepStorm,
  "ping-pong-0": pingPong(0),
  "ping-pong-1": pingPong(1),
  "ping-pong-64": pingPong(64),
  "ping-pong-Infinity": pingPong(Infinity),
  "fan-out": fanOut,
  "lock-free": lockFree,
  "lock-contended": contended(1),
  semaphore: contended(slots),
  limit,
  cancel: cancelAll,
  "nested-scopes": nestedScopes,
  recursion: recurse,
  "effection-cancellation": effectionCancellation,
  "depth-1": resumeAt(depths[0]),
  "depth-1000": resumeAt(depths[1]),
  "parked-bytes": parkedBytes,
};

export const performances: Performances = {
  ...Object.fromEntries(
    Object.entries(versions).map(([id, version]) => [id, (size: number) => Effect.runPromise(version(size))]),
  ),
  ...workloads,
};
