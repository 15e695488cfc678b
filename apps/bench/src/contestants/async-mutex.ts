/**
 * async-mutex 0.5, in its readme's manual style: `acquire` gives the function that releases, once only, as a guard of
 * ours does.
 *
 * Where it differs: an acquire cannot be cancelled on its own, only all that wait at once.
 */
import { Mutex, Semaphore } from "async-mutex";
import type { Performances } from "../scenario.ts";
import { rivals, slots } from "../scenarios.ts";

async function lockFree(size: number): Promise<number> {
  const mutex = new Mutex();
  let count = 0;
  for (; count < size; count++) {
    const release = await mutex.acquire();
    release();
  }
  return count;
}

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

async function lockContended(size: number): Promise<number> {
  const mutex = new Mutex();
  const workshop = new Workshop(1);
  const rival = async (): Promise<void> => {
    for (let round = 0; round < size / rivals; round++) {
      const release = await mutex.acquire();
      workshop.enter();
      // oxlint-disable-next-line typescript/await-thenable -- gives way
      await undefined;
      workshop.leave();
      release();
    }
  };
  await Promise.all(Array.from({ length: rivals }, rival));
  return workshop.done;
}

async function semaphoreContended(size: number): Promise<number> {
  const semaphore = new Semaphore(slots);
  const workshop = new Workshop(slots);
  const rival = async (): Promise<void> => {
    for (let round = 0; round < size / rivals; round++) {
      const [, release] = await semaphore.acquire();
      workshop.enter();
      // oxlint-disable-next-line typescript/await-thenable -- gives way
      await undefined;
      workshop.leave();
      release();
    }
  };
  await Promise.all(Array.from({ length: rivals }, rival));
  return workshop.done;
}

export const performances: Performances = {
  "lock-free": lockFree,
  "lock-contended": lockContended,
  semaphore: semaphoreContended,
};
