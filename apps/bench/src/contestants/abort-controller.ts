/**
 * Async functions, each with an `AbortController` of its own: cancellable promise code as one writes it by hand with care.
 * Every wait ends when the signal aborts and takes its listener away when it ends otherwise; a child is aborted with its
 * parent, and waited for. Signals are chained by hand: a chain of `AbortSignal.any` is some hundred times slower at this
 * depth, and keeps all its signals until the host has a turn.
 *
 * Where it differs: nobody enforces any of that. Cancelling reaches a task where it waits with its signal, and only once.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { heapUsed } from "../heap.ts";
import type { Performances } from "../scenario.ts";
import { cancellation } from "../scenarios.ts";

interface Task<T> {
  readonly controller: AbortController;
  readonly result: Promise<T>;
}

function start<T>(body: (signal: AbortSignal) => Promise<T>): Task<T> {
  const controller = new AbortController();
  return { controller, result: body(controller.signal) };
}

async function joinEach(tasks: readonly Task<number>[]): Promise<number> {
  let sum = 0;
  for (const value of await Promise.all(tasks.map(({ result }) => result))) sum += value;
  return sum;
}

/** Aborts all for one reason, which saves each an error of its own, and waits for all. */
async function cancelEach(tasks: readonly Task<unknown>[]): Promise<void> {
  const reason = new DOMException("The group was cancelled.", "AbortError");
  for (const { controller } of tasks) controller.abort(reason);
  await Promise.allSettled(tasks.map(({ result }) => result));
}

const one = async (signal: AbortSignal): Promise<number> => {
  signal.throwIfAborted();
  return 1;
};

function spawnOnce(size: number): Promise<number> {
  return joinEach(Array.from({ length: size }, () => start(one)));
}

function spawnFresh(size: number): Promise<number> {
  const tasks = Array.from({ length: size }, (_, index) =>
    start(async (signal) => {
      signal.throwIfAborted();
      return index;
    }),
  );
  return joinEach(tasks);
}

async function nap(ms: number, signal: AbortSignal): Promise<number> {
  await sleep(ms, undefined, { signal });
  return 1;
}

function sleepStorm(size: number): Promise<number> {
  return joinEach(
    Array.from({ length: size }, (_, index) => start((signal) => nap((index % 100) + 1, signal))),
  );
}

/** Waits for ever: until the signal aborts, and then throws its reason. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

async function parked(signal: AbortSignal, counted: { out: number }): Promise<void> {
  try {
    await aborted(signal);
  } finally {
    counted.out++;
  }
}

async function cancelAll(size: number): Promise<number> {
  const counted = { out: 0 };
  await cancelEach(Array.from({ length: size }, () => start((signal) => parked(signal, counted))));
  return counted.out;
}

/** A controller that aborts with its parent, and how to let go of a parent that lives on. */
function linkTo(parent: AbortSignal): { controller: AbortController; unlink: () => void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort(parent.reason);
  if (parent.aborted) abort();
  else parent.addEventListener("abort", abort, { once: true });
  return { controller, unlink: () => parent.removeEventListener("abort", abort) };
}

async function nest(depth: number, outer: AbortSignal, counted: { scopes: number }): Promise<void> {
  if (depth === 0) {
    // oxlint-disable-next-line typescript/await-thenable -- gives way
    await undefined;
    outer.throwIfAborted();
    return;
  }
  const { controller, unlink } = linkTo(outer);
  counted.scopes++;
  try {
    await nest(depth - 1, controller.signal, counted);
  } finally {
    unlink();
  }
}

async function nestedScopes(size: number): Promise<number> {
  const counted = { scopes: 0 };
  for (let round = 0; round < size / 100; round++) await nest(100, new AbortController().signal, counted);
  return counted.scopes;
}

/** Waits for a promise that nobody can cancel, until the signal aborts. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Opens when as many as it was made for have arrived. */
class Barrier {
  private open: () => void = () => {};
  private readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
  private missing: number;

  constructor(parties: number) {
    this.missing = parties;
  }

  wait(signal: AbortSignal): Promise<void> {
    if (--this.missing === 0) this.open();
    return abortable(this.opened, signal);
  }
}

interface Site {
  readonly barrier: Barrier;
  readonly held: Set<object>;
  released: number;
}

/** Ends when the worker has, without its error: that aborts whoever started it. */
function startWorker(site: Site, depth: number, starter: AbortController): Promise<void> {
  return worker(site, depth, starter.signal).catch((error: unknown) => starter.abort(error));
}

async function worker(site: Site, depth: number, parent: AbortSignal): Promise<void> {
  const { controller, unlink } = linkTo(parent);
  const resource = {};
  site.held.add(resource);
  const nested = depth > 1 ? startWorker(site, depth - 1, controller) : undefined;
  try {
    await site.barrier.wait(controller.signal);
    await aborted(controller.signal);
  } finally {
    await nested;
    unlink();
    if (site.held.delete(resource)) site.released++;
  }
}

async function effectionCancellation(size: number): Promise<number> {
  const workers = cancellation.workers * cancellation.depth;
  let released = 0;
  for (let round = 0; round < size / workers; round++) {
    const site: Site = { barrier: new Barrier(workers + 1), held: new Set(), released: 0 };
    const controller = new AbortController();
    const working = Array.from({ length: cancellation.workers }, () =>
      startWorker(site, cancellation.depth, controller),
    );
    await site.barrier.wait(controller.signal);
    controller.abort();
    await Promise.all(working);
    if (site.held.size > 0) throw new Error("Something was not released.");
    released += site.released;
  }
  return released;
}

async function waiting(signal: AbortSignal): Promise<void> {
  await aborted(signal);
}

async function parkedBytes(size: number): Promise<number> {
  const tasks: Task<void>[] = [];
  const before = heapUsed();
  for (let index = 0; index < size; index++) tasks.push(start(waiting));
  const bytes = (heapUsed() - before) / size;
  await cancelEach(tasks);
  return bytes;
}

export const performances: Performances = {
  "spawn-once": spawnOnce,
  "spawn-fresh": spawnFresh,
  "sleep-storm": sleepStorm,
  cancel: cancelAll,
  "nested-scopes": nestedScopes,
  "effection-cancellation": effectionCancellation,
  "parked-bytes": parkedBytes,
};
