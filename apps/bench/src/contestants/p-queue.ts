/**
 * p-queue 10, as its readme writes it: a queue without limit to spawn, of sixteen to limit, of one to exclude each other.
 *
 * Where it differs: what has begun cannot be cancelled. As a lock it runs a function while it holds; there is nothing to
 * acquire and release.
 */
import PQueue from "p-queue";
import type { Performances } from "../scenario.ts";
import { rivals, slots } from "../scenarios.ts";

const add = (total: number, value: number): number => total + value;
const one = async (): Promise<number> => 1;

async function spawnOnce(size: number): Promise<number> {
  const queue = new PQueue();
  const results = await Promise.all(Array.from({ length: size }, () => queue.add(one)));
  return results.reduce(add, 0);
}

async function spawnFresh(size: number): Promise<number> {
  const queue = new PQueue();
  const results = await Promise.all(Array.from({ length: size }, (_, index) => queue.add(async () => index)));
  return results.reduce(add, 0);
}

async function pass(item: number): Promise<number> {
  // oxlint-disable-next-line typescript/await-thenable -- gives way
  await undefined;
  return item;
}

async function limit(size: number): Promise<number> {
  const queue = new PQueue({ concurrency: 16 });
  const results = await Promise.all(Array.from({ length: size }, (_, index) => queue.add(() => pass(index))));
  return results.reduce(add, 0);
}

function contended(concurrency: number): (size: number) => Promise<number> {
  return async (size) => {
    const queue = new PQueue({ concurrency });
    let held = 0;
    let count = 0;
    const hold = async (): Promise<void> => {
      if (++held > concurrency) throw new Error("Too many at once.");
      // oxlint-disable-next-line typescript/await-thenable -- gives way
      await undefined;
      held--;
      count++;
    };
    const rival = async (): Promise<void> => {
      for (let round = 0; round < size / rivals; round++) await queue.add(hold);
    };
    await Promise.all(Array.from({ length: rivals }, rival));
    return count;
  };
}

export const performances: Performances = {
  "spawn-once": spawnOnce,
  "spawn-fresh": spawnFresh,
  "spawn-plain": spawnFresh,
  "lock-contended": contended(1),
  semaphore: contended(slots),
  limit,
};
