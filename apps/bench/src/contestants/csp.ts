/**
 * @thi.ng/csp 3.2, as its readme writes it: async functions that await `read` and `write` of channels.
 *
 * Where it differs: the smallest buffer holds one, and no buffer is unbounded. But a write completes only when its value
 * is read, whatever the buffer, so awaiting it is a rendezvous; with a buffer of one it is our capacity 0 as well. Nothing
 * can be cancelled: a channel can be closed, but holds 1 024 waiting readers at most, so no crowd can park on it.
 */
import { type Channel, channel } from "@thi.ng/csp";
import type { Performances } from "../scenario.ts";
import { consumers } from "../scenarios.ts";

async function echo(size: number, there: Channel<number>, back: Channel<number>): Promise<void> {
  for (let index = 0; index < size; index++) {
    const value = await there.read();
    if (value === undefined) return;
    await back.write(value + 1);
  }
}

function pingPong(buffer: number): (size: number) => Promise<number> {
  return async (size) => {
    const there = channel<number>(buffer);
    const back = channel<number>(buffer);
    const echoing = echo(size, there, back);
    let last = 0;
    for (let index = 0; index < size; index++) {
      await there.write(last);
      last = (await back.read()) ?? Number.NaN;
    }
    await echoing;
    return last;
  };
}

async function addUp(numbers: Channel<number>): Promise<number> {
  let total = 0;
  for (;;) {
    const item = await numbers.read();
    if (item === undefined) return total;
    total += item;
  }
}

async function fanOut(size: number): Promise<number> {
  const numbers = channel<number>(64);
  const consuming = Array.from({ length: consumers }, () => addUp(numbers));
  for (let item = 1; item <= size; item++) await numbers.write(item);
  numbers.close();
  let total = 0;
  for (const part of await Promise.all(consuming)) total += part;
  return total;
}

export const performances: Performances = {
  "ping-pong-0": pingPong(1),
  "ping-pong-1": pingPong(1),
  "ping-pong-64": pingPong(64),
  "fan-out": fanOut,
};
