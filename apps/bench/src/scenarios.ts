/**
 * The scenarios: the same work written for each contestant, the way its own documentation would.
 *
 * Invariant: every scenario gives a number that says the work was really done, and the runner checks it.
 */
import {
  all,
  type Backend,
  type Coroutine,
  memoryStream,
  type Operation,
  operation,
  run,
  sleepForever,
  type Task,
  taskGroup,
} from "anyloop";
import { checkpoint } from "anyloop/lowlevel";
import { Effect, Fiber, Queue } from "effect";

interface Contestant {
  readonly name: string;
  /** Does the work and gives the check figure. */
  readonly perform: (size: number) => Promise<number>;
}

export interface Scenario {
  readonly name: string;
  /** Items of work; figures are per item. */
  readonly size: number;
  readonly contestants: readonly Contestant[];
  /** The check figure that says the work was done. */
  readonly expected: (size: number) => number;
}

interface Loops {
  readonly kernel: Backend;
  readonly native: Backend;
}

const identity: (value: number) => Operation<number> = operation(function* identity(
  value: number,
): Coroutine<number> {
  return value;
});

const joinAll = operation(function* joinAll(size: number): Coroutine<number> {
  return yield* taskGroup(function* (group) {
    const tasks: Task<number>[] = [];
    for (let index = 0; index < size; index++) tasks.push(group.startSoon(identity(1)));
    let sum = 0;
    for (const task of tasks) sum += yield* task.join();
    return sum;
  });
});

const spin = operation(function* spin(size: number): Coroutine<number> {
  let count = 0;
  for (; count < size; count++) yield* checkpoint();
  return count;
});

const echo = operation(function* echo(size: number): Coroutine<number> {
  const [send, receive] = memoryStream<number>(1);
  const [sendBack, receiveBack] = memoryStream<number>(1);
  return yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      for (let index = 0; index < size; index++) yield* sendBack.send((yield* receive.receive()) + 1);
    });
    let last = 0;
    for (let index = 0; index < size; index++) {
      yield* send.send(last);
      last = yield* receiveBack.receive();
    }
    return last;
  });
});

const parked = operation(function* parked(): Coroutine<void> {
  yield* sleepForever();
});

const cancelMany = operation(function* cancelMany(size: number): Coroutine<number> {
  let count = 0;
  yield* taskGroup(function* (group) {
    for (let index = 0; index < size; index++) group.startSoon(parked());
    yield* checkpoint();
    count = group.tasks.size;
    group.cancel();
  });
  return count;
});

const spinDeep: (depth: number, size: number) => Operation<number> = operation(function* descend(
  depth: number,
  size: number,
): Coroutine<number> {
  return yield* depth === 0 ? spin(size) : spinDeep(depth - 1, size);
});

/** Two tasks, so that each turn is a real one: somebody else is ready, and the whole depth is left and entered again. */
const resumeAt = (depth: number): ((size: number) => Operation<number>) =>
  operation(function* resumeAtDepth(size: number): Coroutine<number> {
    const counts = yield* all([spinDeep(depth, size / 2), spinDeep(depth, size / 2)]);
    return counts[0] + counts[1];
  });

async function promiseDeep(depth: number, size: number): Promise<number> {
  if (depth > 0) return await promiseDeep(depth - 1, size);
  let count = 0;
  // oxlint-disable-next-line typescript/await-thenable -- the bare turn is what is measured
  for (; count < size; count++) await undefined;
  return count;
}

function ours(backends: Loops, work: (size: number) => Operation<number>): Contestant[] {
  return [
    { name: "kernel", perform: (size) => run(work(size), { backend: backends.kernel }) },
    { name: "native", perform: (size) => run(work(size), { backend: backends.native }) },
  ];
}

// ---- bare promises

async function promiseIdentity(value: number): Promise<number> {
  return value;
}

/** A queue of promises without cancellation or limits: the least that hands items from one async function to another. */
class PromiseQueue<T> {
  private readonly items: T[] = [];
  private readonly takers: ((item: T) => void)[] = [];

  put(item: T): void {
    const taker = this.takers.shift();
    if (taker === undefined) this.items.push(item);
    else taker(item);
  }

  take(): Promise<T> {
    const item = this.items.shift();
    return item === undefined ? new Promise((resolve) => this.takers.push(resolve)) : Promise.resolve(item);
  }
}

async function promiseEcho(size: number): Promise<number> {
  const there = new PromiseQueue<number>();
  const back = new PromiseQueue<number>();
  const echoing = (async () => {
    for (let index = 0; index < size; index++) back.put((await there.take()) + 1);
  })();
  let last = 0;
  for (let index = 0; index < size; index++) {
    there.put(last);
    last = await back.take();
  }
  await echoing;
  return last;
}

async function abortable(signal: AbortSignal): Promise<number> {
  return await new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(1), { once: true });
  });
}

// ---- effect

const effectEcho = (size: number) =>
  Effect.gen(function* () {
    const there = yield* Queue.bounded<number>(1);
    const back = yield* Queue.bounded<number>(1);
    const echoing = yield* Effect.forkChild(
      Effect.gen(function* () {
        for (let index = 0; index < size; index++) yield* Queue.offer(back, (yield* Queue.take(there)) + 1);
      }),
    );
    let last = 0;
    for (let index = 0; index < size; index++) {
      yield* Queue.offer(there, last);
      last = yield* Queue.take(back);
    }
    yield* Fiber.join(echoing);
    return last;
  });

const effectSpin = (size: number) =>
  Effect.gen(function* () {
    let count = 0;
    for (; count < size; count++) yield* Effect.sync(() => undefined);
    return count;
  });

const effectSpawn = (size: number) =>
  Effect.gen(function* () {
    const work = Effect.sync(() => 1);
    const fibers = [];
    for (let index = 0; index < size; index++) fibers.push(yield* Effect.forkChild(work));
    let sum = 0;
    for (const fiber of fibers) sum += yield* Fiber.join(fiber);
    return sum;
  });

const effectCancel = (size: number) =>
  Effect.gen(function* () {
    const fibers = [];
    for (let index = 0; index < size; index++) fibers.push(yield* Effect.forkChild(Effect.never));
    yield* Effect.yieldNow;
    yield* Fiber.interruptAll(fibers);
    return fibers.length;
  });

export function scenarios(backends: Loops): readonly Scenario[] {
  const same = (size: number): number => size;
  return [
    {
      name: "spawn + join, body defined once",
      size: 100_000,
      expected: same,
      contestants: [
        {
          name: "promises",
          perform: async (size) => {
            const values = await Promise.all(Array.from({ length: size }, () => promiseIdentity(1)));
            return values.reduce((sum, value) => sum + value, 0);
          },
        },
        ...ours(backends, joinAll),
        { name: "effect", perform: (size) => Effect.runPromise(effectSpawn(size)) },
      ],
    },
    {
      name: "checkpoint",
      size: 1_000_000,
      expected: same,
      contestants: [
        {
          name: "promises",
          perform: async (size) => {
            let count = 0;
            // oxlint-disable-next-line typescript/await-thenable -- the bare turn is what is measured
            for (; count < size; count++) await undefined;
            return count;
          },
        },
        ...ours(backends, spin),
        { name: "effect", perform: (size) => Effect.runPromise(effectSpin(size)) },
      ],
    },
    {
      name: "ping-pong, a round trip",
      size: 100_000,
      expected: same,
      contestants: [
        { name: "promises", perform: promiseEcho },
        ...ours(backends, echo),
        { name: "effect", perform: (size) => Effect.runPromise(effectEcho(size)) },
      ],
    },
    ...[1, 1000].map((depth) => ({
      name: `resume at depth ${depth}`,
      size: 200_000,
      expected: same,
      contestants: [
        {
          name: "promises",
          perform: async (size: number): Promise<number> => {
            const counts = await Promise.all([promiseDeep(depth, size / 2), promiseDeep(depth, size / 2)]);
            return counts[0] + counts[1];
          },
        },
        ...ours(backends, resumeAt(depth)),
      ],
    })),
    ...[10_000, 100_000].map((size) => ({
      name: `cancel ${String(size)} parked tasks`,
      size,
      expected: same,
      contestants: [
        ...(size > 10_000
          ? []
          : [
              {
                name: "promises",
                perform: async (count: number): Promise<number> => {
                  const controller = new AbortController();
                  const waiting = Array.from({ length: count }, () => abortable(controller.signal));
                  controller.abort();
                  return (await Promise.all(waiting)).length;
                },
              },
            ]),
        ...ours(backends, cancelMany),
        { name: "effect", perform: (count: number) => Effect.runPromise(effectCancel(count)) },
      ],
    })),
  ];
}
