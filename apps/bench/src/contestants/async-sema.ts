/**
 * async-sema 3.1, as its readme writes it; a lock is a semaphore of one.
 *
 * Where it differs: an acquire cannot be cancelled, and nothing stops a release by somebody who does not hold.
 */
import { Sema } from "async-sema";
import type { Performances } from "../scenario.ts";
import { rivals, slots } from "../scenarios.ts";

async function lockFree(size: number): Promise<number> {
  const lock = new Sema(1);
  let count = 0;
  for (; count < size; count++) {
    await lock.acquire();
    lock.release();
  }
  return count;
}

function contended(limit: number): (size: number) => Promise<number> {
  return async (size) => {
    const sema = new Sema(limit, { capacity: rivals });
    let held = 0;
    let count = 0;
    const rival = async (): Promise<void> => {
      for (let round = 0; round < size / rivals; round++) {
        await sema.acquire();
        if (++held > limit) throw new Error("Too many at once.");
        // oxlint-disable-next-line typescript/await-thenable -- gives way
        await undefined;
        held--;
        count++;
        sema.release();
      }
    };
    await Promise.all(Array.from({ length: rivals }, rival));
    return count;
  };
}

export const performances: Performances = {
  "lock-free": lockFree,
  "lock-contended": contended(1),
  semaphore: contended(slots),
};
