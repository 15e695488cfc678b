/**
 * Async functions that all wait on one `AbortSignal`, as when a signal is handed down through every call.
 *
 * Where it differs: the group is cancelled as a whole or not at all. It is quadratic, for an `EventTarget` compares each
 * new listener with those it has.
 */
import { heapUsed } from "../heap.ts";
import type { Performances } from "../scenario.ts";
import { aborted } from "./abort-controller.ts";

async function parked(signal: AbortSignal, counted: { out: number }): Promise<void> {
  try {
    await aborted(signal);
  } finally {
    counted.out++;
  }
}

async function cancelAll(size: number): Promise<number> {
  const counted = { out: 0 };
  const controller = new AbortController();
  const tasks = Array.from({ length: size }, () => parked(controller.signal, counted));
  controller.abort();
  await Promise.allSettled(tasks);
  return counted.out;
}

async function waiting(signal: AbortSignal): Promise<void> {
  await aborted(signal);
}

async function parkedBytes(size: number): Promise<number> {
  const controller = new AbortController();
  const tasks: Promise<void>[] = [];
  const before = heapUsed();
  for (let index = 0; index < size; index++) tasks.push(waiting(controller.signal));
  const bytes = (heapUsed() - before) / size;
  controller.abort();
  await Promise.allSettled(tasks);
  return bytes;
}

export const performances: Performances = {
  cancel: cancelAll,
  "parked-bytes": parkedBytes,
};
