/**
 * rxjs 7.8, as rxjs.dev writes it: a task is a subscription, its body a cold observable.
 *
 * Where it differs: nothing here suspends. A promise inside `defer` makes a task asynchronous, and a task is joined as the
 * promise of its last value; `forkJoin` reads better but is quadratic in the number of its sources. Subjects know neither
 * capacity nor acknowledgement, hence ping-pong without bound only, each message handed on by `asapScheduler`. Parking and
 * cancelling are synchronous: a parked task has no stack to unwind, and `finalize` stands for `finally`. In the recursion
 * `defer` gives its own subscriber to the next level, so the value goes up in one step.
 */
import {
  asapScheduler,
  defer,
  finalize,
  lastValueFrom,
  map,
  mergeMap,
  NEVER,
  type Observable,
  observeOn,
  range,
  reduce,
  repeat,
  Subject,
  Subscription,
  take,
  tap,
  timer,
} from "rxjs";
import { heapUsed } from "../heap.ts";
import type { Performances } from "../scenario.ts";
import { recursion } from "../scenarios.ts";

const add = (total: number, value: number): number => total + value;

/** Subscribes to one for each item, and adds up what they give. */
async function joinEach(size: number, taskOf: (index: number) => Observable<number>): Promise<number> {
  const tasks = Array.from({ length: size }, (_, index) => lastValueFrom(taskOf(index)));
  return (await Promise.all(tasks)).reduce(add, 0);
}

const one = async (): Promise<number> => 1;

function spawnOnce(size: number): Promise<number> {
  return joinEach(size, () => defer(one));
}

function spawnFresh(size: number): Promise<number> {
  return joinEach(size, (index) => defer(async () => index));
}

function sleepStorm(size: number): Promise<number> {
  return joinEach(size, (index) => timer((index % 100) + 1).pipe(map(() => 1)));
}

function pingPong(size: number): Promise<number> {
  const there = new Subject<number>();
  const back = new Subject<number>();
  there.pipe(observeOn(asapScheduler)).subscribe((value) => back.next(value + 1));
  const last = lastValueFrom(
    back.pipe(
      observeOn(asapScheduler),
      take(size),
      tap((value) => {
        if (value < size) there.next(value);
      }),
    ),
  );
  there.next(0);
  return last;
}

async function pass(item: number): Promise<number> {
  // oxlint-disable-next-line typescript/await-thenable -- gives way
  await undefined;
  return item;
}

function limit(size: number): Promise<number> {
  return lastValueFrom(range(0, size).pipe(mergeMap(pass, 16), reduce(add, 0)));
}

function cancelAll(size: number): number {
  let out = 0;
  const all = new Subscription();
  const parked = NEVER.pipe(finalize(() => out++));
  for (let index = 0; index < size; index++) all.add(parked.subscribe());
  all.unsubscribe();
  return out;
}

function descend(depth: number): Observable<number> {
  if (depth > 1) return defer(() => descend(depth - 1));
  return defer(one).pipe(repeat(recursion.waits), reduce(add, 0));
}

async function recurse(size: number): Promise<number> {
  let total = 0;
  for (let level = 0; level < size; level += recursion.depth) {
    total += await lastValueFrom(descend(recursion.depth));
  }
  return total;
}

function parkedBytes(size: number): number {
  const all = new Subscription();
  const before = heapUsed();
  for (let index = 0; index < size; index++) all.add(NEVER.subscribe());
  const bytes = (heapUsed() - before) / size;
  all.unsubscribe();
  return bytes;
}

export const performances: Performances = {
  "spawn-once": spawnOnce,
  "spawn-fresh": spawnFresh,
  "sleep-storm": sleepStorm,
  "ping-pong-Infinity": pingPong,
  limit,
  cancel: cancelAll,
  recursion: recurse,
  "parked-bytes": parkedBytes,
};
