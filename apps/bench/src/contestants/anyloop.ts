/** anyloop in generator style, on either backend: bodies defined once and called with arguments, as its docs say. */
import {
  all,
  type Backend,
  Barrier,
  CancelScope,
  type Coroutine,
  forEach,
  fromPromise,
  Lock,
  map,
  memoryStream,
  type Operation,
  operation,
  type ReceiveStream,
  run,
  Semaphore,
  type SendStream,
  sleep,
  sleepForever,
  type Task,
  type TaskGroup,
  taskGroup,
} from "anyloop";
import { checkpoint } from "anyloop/lowlevel";
import { heapUsed } from "../heap.ts";
import type { Performances } from "../scenario.ts";
import { cancellation, consumers, depths, recursion, rivals, slots } from "../scenarios.ts";

type Version = (size: number) => Operation<number>;

/** A body written by hand for each call, closing over its number, is what `spawn-fresh` measures; elsewhere: once. */
const identity: (value: number) => Operation<number> = operation(function* identity(
  value: number,
): Coroutine<number> {
  return value;
});

function* joinEach(tasks: readonly Task<number>[]): Coroutine<number> {
  let sum = 0;
  for (const task of tasks) sum += yield* task.join();
  return sum;
}

const spawnOnce: Version = (size) =>
  taskGroup(function* (group) {
    const tasks: Task<number>[] = [];
    for (let index = 0; index < size; index++) tasks.push(group.startSoon(identity(1)));
    return yield* joinEach(tasks);
  });

const spawnFresh: Version = (size) =>
  taskGroup(function* (group) {
    const tasks: Task<number>[] = [];
    for (let index = 0; index < size; index++) {
      tasks.push(
        group.startSoon(function* () {
          return index;
        }),
      );
    }
    return yield* joinEach(tasks);
  });

const spawnPlain: Version = (size) =>
  taskGroup(function* (group) {
    const tasks: Task<number>[] = [];
    for (let index = 0; index < size; index++) tasks.push(group.startSoon(() => index));
    return yield* joinEach(tasks);
  });

const spin: Version = operation(function* spin(size: number): Coroutine<number> {
  let count = 0;
  for (; count < size; count++) yield* checkpoint();
  return count;
});

const resolvedPromise: Version = operation(function* resolvedPromise(size: number): Coroutine<number> {
  let total = 0;
  for (let index = 0; index < size; index++) total += yield* fromPromise(Promise.resolve(1));
  return total;
});

const nap: (ms: number) => Operation<number> = operation(function* nap(ms: number): Coroutine<number> {
  yield* sleep(ms);
  return 1;
});

const sleepStorm: Version = (size) =>
  taskGroup(function* (group) {
    const tasks: Task<number>[] = [];
    for (let index = 0; index < size; index++) tasks.push(group.startSoon(nap((index % 100) + 1)));
    return yield* joinEach(tasks);
  });

const echo: (size: number, receive: ReceiveStream<number>, send: SendStream<number>) => Operation<void> =
  operation(function* echo(size: number, receive: ReceiveStream<number>, send: SendStream<number>) {
    for (let index = 0; index < size; index++) yield* send.send((yield* receive.receive()) + 1);
  });

function pingPong(capacity: number): Version {
  return (size) =>
    taskGroup(function* (group) {
      const [there, receiveThere] = memoryStream<number>(capacity);
      const [back, receiveBack] = memoryStream<number>(capacity);
      group.startSoon(echo(size, receiveThere, back));
      let last = 0;
      for (let index = 0; index < size; index++) {
        yield* there.send(last);
        last = yield* receiveBack.receive();
      }
      return last;
    });
}

const addUp: (stream: ReceiveStream<number>) => Operation<number> = operation(function* addUp(
  stream: ReceiveStream<number>,
): Coroutine<number> {
  let total = 0;
  yield* forEach(stream, (item) => {
    total += item;
  });
  return total;
});

const fanOut: Version = (size) =>
  taskGroup(function* (group) {
    const [send, receive] = memoryStream<number>(64);
    const tasks: Task<number>[] = [];
    for (let index = 0; index < consumers; index++) tasks.push(group.startSoon(addUp(receive)));
    for (let item = 1; item <= size; item++) yield* send.send(item);
    yield* send.close();
    return yield* joinEach(tasks);
  });

const lockFree: Version = operation(function* lockFree(size: number): Coroutine<number> {
  const lock = new Lock();
  let count = 0;
  for (; count < size; count++) {
    const held = yield* lock.acquire();
    held.release();
  }
  return count;
});

/** Counts what is done, and that no more than `limit` are at it. */
class Workshop {
  done = 0;
  private readonly limit: number;
  private busy = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  enter(): void {
    if (++this.busy > this.limit) throw new Error("Too many at once.");
  }

  leave(): void {
    this.busy--;
    this.done++;
  }
}

const rival: (admission: Lock | Semaphore, workshop: Workshop, rounds: number) => Operation<void> = operation(
  function* rival(admission: Lock | Semaphore, workshop: Workshop, rounds: number) {
    for (let round = 0; round < rounds; round++) {
      const held = yield* admission.acquire();
      workshop.enter();
      yield* checkpoint();
      workshop.leave();
      held.release();
    }
  },
);

function contended(makeAdmission: () => Lock | Semaphore, limit: number): Version {
  return operation(function* contend(size: number): Coroutine<number> {
    const admission = makeAdmission();
    const workshop = new Workshop(limit);
    yield* all(Array.from({ length: rivals }, () => rival(admission, workshop, size / rivals)));
    return workshop.done;
  });
}

function* pass(item: number): Coroutine<number> {
  yield* checkpoint();
  return item;
}

const limit: Version = operation(function* limit(size: number): Coroutine<number> {
  const results = yield* map(Array(size).keys(), pass, { limit: 16 });
  let total = 0;
  for (const result of results) total += result;
  return total;
});

const parked: (counted: { out: number }) => Operation<void> = operation(function* parked(counted: {
  out: number;
}) {
  try {
    yield* sleepForever();
  } finally {
    counted.out++;
  }
});

const cancelAll: Version = operation(function* cancelAll(size: number): Coroutine<number> {
  const counted = { out: 0 };
  yield* taskGroup(function* (group) {
    for (let index = 0; index < size; index++) group.startSoon(parked(counted));
    yield* checkpoint();
    group.cancel();
  });
  return counted.out;
});

const nest: (depth: number, counted: { scopes: number }) => Operation<void> = operation(function* nesting(
  depth: number,
  counted: { scopes: number },
): Coroutine<void> {
  if (depth === 0) {
    yield* checkpoint();
    return;
  }
  counted.scopes++;
  yield* new CancelScope().run(nest(depth - 1, counted));
});

const nestedScopes: Version = operation(function* nestedScopes(size: number): Coroutine<number> {
  const counted = { scopes: 0 };
  for (let round = 0; round < size / 100; round++) yield* nest(100, counted);
  return counted.scopes;
});

const descend: (depth: number) => Operation<number> = operation(function* descending(
  depth: number,
): Coroutine<number> {
  if (depth > 1) return yield* descend(depth - 1);
  let total = 0;
  for (let wait = 0; wait < recursion.waits; wait++) total += yield* fromPromise(Promise.resolve(1));
  return total;
});

const recurse: Version = operation(function* recurse(size: number): Coroutine<number> {
  let total = 0;
  for (let level = 0; level < size; level += recursion.depth) total += yield* descend(recursion.depth);
  return total;
});

interface Site {
  readonly barrier: Barrier;
  readonly held: Set<object>;
  released: number;
}

/** Hoisted, as the docs say of bodies that many tasks run: a `function*` written inline is dear in today's engines. */
function* standBy(group: TaskGroup, site: Site, depth: number): Coroutine<void> {
  if (depth > 1) group.startSoon(worker(site, depth - 1));
  yield* site.barrier.wait();
  yield* sleepForever();
}

const worker: (site: Site, depth: number) => Operation<void> = operation(function* working(
  site: Site,
  depth: number,
) {
  const resource = {};
  site.held.add(resource);
  try {
    yield* taskGroup((group) => standBy(group, site, depth));
  } finally {
    if (site.held.delete(resource)) site.released++;
  }
});

function* hostWorkers(group: TaskGroup, site: Site): Coroutine<void> {
  for (let index = 0; index < cancellation.workers; index++) {
    group.startSoon(worker(site, cancellation.depth));
  }
  yield* site.barrier.wait();
  group.cancel();
}

const effectionCancellation: Version = operation(function* effectionCancellation(
  size: number,
): Coroutine<number> {
  const workers = cancellation.workers * cancellation.depth;
  let released = 0;
  for (let round = 0; round < size / workers; round++) {
    const site: Site = { barrier: new Barrier(workers + 1), held: new Set(), released: 0 };
    yield* taskGroup((group) => hostWorkers(group, site));
    if (site.held.size > 0) throw new Error("Something was not released.");
    released += site.released;
  }
  return released;
});

const spinAt: (depth: number, size: number) => Operation<number> = operation(function* descendTo(
  depth: number,
  size: number,
): Coroutine<number> {
  return yield* depth === 0 ? spin(size) : spinAt(depth - 1, size);
});

function resumeAt(depth: number): Version {
  return operation(function* resumeAtDepth(size: number): Coroutine<number> {
    const counts = yield* all([spinAt(depth, size / 2), spinAt(depth, size / 2)]);
    return counts[0] + counts[1];
  });
}

const waiting = operation(function* waiting() {
  yield* sleepForever();
});

const parkedBytes: Version = (size) =>
  taskGroup(function* (group) {
    const before = heapUsed();
    for (let index = 0; index < size; index++) group.startSoon(waiting());
    for (let turn = 0; turn < 3; turn++) yield* checkpoint();
    const bytes = (heapUsed() - before) / size;
    group.cancel();
    return bytes;
  });

const versions: Readonly<Record<string, Version>> = {
  "spawn-once": spawnOnce,
  "spawn-fresh": spawnFresh,
  "spawn-plain": spawnPlain,
  checkpoint: spin,
  "resolved-promise": resolvedPromise,
  "sleep-storm": sleepStorm,
  "ping-pong-0": pingPong(0),
  "ping-pong-1": pingPong(1),
  "ping-pong-64": pingPong(64),
  "ping-pong-Infinity": pingPong(Infinity),
  "fan-out": fanOut,
  "lock-free": lockFree,
  "lock-contended": contended(() => new Lock(), 1),
  semaphore: contended(() => new Semaphore(slots), slots),
  limit,
  cancel: cancelAll,
  "nested-scopes": nestedScopes,
  recursion: recurse,
  "effection-cancellation": effectionCancellation,
  "depth-1": resumeAt(depths[0]),
  "depth-1000": resumeAt(depths[1]),
  "parked-bytes": parkedBytes,
};

/** Each version in a run of its own. */
export function performancesOn(backend: Backend): Performances {
  return Object.fromEntries(
    Object.entries(versions).map(([id, version]) => [id, (size: number) => run(version(size), { backend })]),
  );
}
