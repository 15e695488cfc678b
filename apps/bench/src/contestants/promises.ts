/** The floor: async functions and promises as the language has them. Nothing here can be cancelled. */
import { heapUsed } from "../heap.ts";
import type { Performances } from "../scenario.ts";
import { workloads } from "./workloads/promises.ts";
import { consumers, depths, recursion, rivals, slots } from "../scenarios.ts";

async function identity(value: number): Promise<number> {
  return value;
}

function sum(values: readonly number[]): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

async function spawnOnce(size: number): Promise<number> {
  return sum(await Promise.all(Array.from({ length: size }, () => identity(1))));
}

async function spawnFresh(size: number): Promise<number> {
  return sum(await Promise.all(Array.from({ length: size }, (_, index) => (async () => index)())));
}

async function checkpoint(size: number): Promise<number> {
  let count = 0;
  // oxlint-disable-next-line typescript/await-thenable -- the bare turn is what is measured
  for (; count < size; count++) await undefined;
  return count;
}

async function resolvedPromise(size: number): Promise<number> {
  let total = 0;
  for (let index = 0; index < size; index++) total += await Promise.resolve(1);
  return total;
}

class Thenable {
  then(resolve: (value: number) => void): void {
    resolve(1);
  }
}

async function awaitReady(size: number): Promise<number> {
  let total = 0;
  for (let index = 0; index < size; index++) total += await (new Thenable() as unknown as Promise<number>);
  return total;
}

async function sleeper(ms: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return 1;
}

async function sleepStorm(size: number): Promise<number> {
  return sum(await Promise.all(Array.from({ length: size }, (_, index) => sleeper((index % 100) + 1))));
}

/**
 * A queue of promises without cancellation: the least that hands items from one async function to another. `put` waits
 * while there are `capacity` items nobody has asked for; at capacity 0, until somebody has taken this one.
 */
class PromiseQueue<T> {
  private readonly items: T[] = [];
  private readonly takers: ((item: T) => void)[] = [];
  private readonly putters: (() => void)[] = [];

  private readonly capacity: number;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  put(item: T): Promise<void> | undefined {
    const taker = this.takers.shift();
    if (taker !== undefined) {
      taker(item);
      return undefined;
    }
    this.items.push(item);
    if (this.items.length <= this.capacity) return undefined;
    return new Promise((resolve) => this.putters.push(resolve));
  }

  take(): Promise<T> {
    if (this.items.length === 0) return new Promise((resolve) => this.takers.push(resolve));
    const item = this.items.shift() as T;
    this.putters.shift()?.();
    return Promise.resolve(item);
  }
}

function pingPong(capacity: number): (size: number) => Promise<number> {
  return async (size) => {
    const there = new PromiseQueue<number>(capacity);
    const back = new PromiseQueue<number>(capacity);
    const echoing = (async () => {
      for (let index = 0; index < size; index++) {
        const full = back.put((await there.take()) + 1);
        if (full !== undefined) await full;
      }
    })();
    let last = 0;
    for (let index = 0; index < size; index++) {
      const full = there.put(last);
      if (full !== undefined) await full;
      last = await back.take();
    }
    await echoing;
    return last;
  };
}

async function addUp(queue: PromiseQueue<number>): Promise<number> {
  let total = 0;
  for (;;) {
    const item = await queue.take();
    if (item === 0) return total;
    total += item;
  }
}

async function fanOut(size: number): Promise<number> {
  const queue = new PromiseQueue<number>(64);
  const consuming = Array.from({ length: consumers }, () => addUp(queue));
  for (let item = 1; item <= size; item++) {
    const full = queue.put(item);
    if (full !== undefined) await full;
  }
  // It cannot be closed: one zero for each consumer says that it is over.
  for (let consumer = 0; consumer < consumers; consumer++) await queue.put(0);
  return sum(await Promise.all(consuming));
}

/** The least that admits `free` at a time, first come first served. */
class Turnstile {
  private readonly waiting: (() => void)[] = [];
  private free: number;

  constructor(limit: number) {
    this.free = limit;
  }

  enter(): Promise<void> | undefined {
    if (this.free > 0) {
      this.free--;
      return undefined;
    }
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  leave(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.free++;
    else next();
  }
}

async function lockFree(size: number): Promise<number> {
  const lock = new Turnstile(1);
  let count = 0;
  for (; count < size; count++) {
    const full = lock.enter();
    if (full !== undefined) await full;
    lock.leave();
  }
  return count;
}

function contended(limit: number): (size: number) => Promise<number> {
  return async (size) => {
    const turnstile = new Turnstile(limit);
    let held = 0;
    let count = 0;
    const rival = async (): Promise<void> => {
      for (let round = 0; round < size / rivals; round++) {
        const full = turnstile.enter();
        if (full !== undefined) await full;
        if (++held > limit) throw new Error("Too many at once.");
        // oxlint-disable-next-line typescript/await-thenable -- gives way
        await undefined;
        held--;
        count++;
        turnstile.leave();
      }
    };
    await Promise.all(Array.from({ length: rivals }, rival));
    return count;
  };
}

async function limit(size: number): Promise<number> {
  let next = 0;
  let total = 0;
  const worker = async (): Promise<void> => {
    while (next < size) {
      const item = next++;
      // oxlint-disable-next-line typescript/await-thenable -- gives way
      await undefined;
      total += item;
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return total;
}

async function descend(depth: number): Promise<number> {
  if (depth > 1) return await descend(depth - 1);
  let total = 0;
  for (let wait = 0; wait < recursion.waits; wait++) total += await Promise.resolve(1);
  return total;
}

async function recurse(size: number): Promise<number> {
  let total = 0;
  for (let level = 0; level < size; level += recursion.depth) total += await descend(recursion.depth);
  return total;
}

async function spinAt(depth: number, size: number): Promise<number> {
  return depth > 0 ? await spinAt(depth - 1, size) : await checkpoint(size);
}

function resumeAt(depth: number): (size: number) => Promise<number> {
  return async (size) => sum(await Promise.all([spinAt(depth, size / 2), spinAt(depth, size / 2)]));
}

async function parked(resolvers: (() => void)[]): Promise<void> {
  await new Promise<void>((resolve) => resolvers.push(resolve));
}

async function parkedBytes(size: number): Promise<number> {
  const resolvers: (() => void)[] = [];
  const before = heapUsed();
  for (let index = 0; index < size; index++) void parked(resolvers);
  await checkpoint(3);
  const bytes = (heapUsed() - before) / size;
  for (const resolve of resolvers) resolve();
  return bytes;
}

export const performances: Performances = {
  "spawn-once": spawnOnce,
  "spawn-fresh": spawnFresh,
  "spawn-plain": spawnFresh,
  checkpoint,
  "resolved-promise": resolvedPromise,
  "await-ready": awaitReady,
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
  recursion: recurse,
  "depth-1": resumeAt(depths[0]),
  "depth-1000": resumeAt(depths[1]),
  "parked-bytes": parkedBytes,
  ...workloads,
};
