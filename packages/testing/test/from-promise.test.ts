/** Waiting for promises, and operations used as promises. */
import {
  type Coroutine,
  Event,
  fromPromise,
  isCancelled,
  moveOnAfter,
  type Operation,
  operation,
  sleep,
  sleepForever,
  type Task,
  taskGroup,
} from "@anyloop/core";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

each("fromPromise waits, passes errors, and stops waiting when cancelled", function* () {
  expect(yield* fromPromise(Promise.resolve(1))).toBe(1);
  const boom = new Error("boom");
  expect(yield* caught(fromPromise(Promise.reject(boom)))).toBe(boom);
  yield* taskGroup(function* (group) {
    const stuck = group.startSoon(fromPromise(new Promise(() => {})));
    yield* waitAllTasksBlocked();
    stuck.cancel();
    yield* stuck.wait();
    expect(stuck.status).toBe("cancelled");
  });
});

/** Runs the work and cancels it once it waits; gives the task, ended. */
const cancelled: (work: Operation<unknown>) => Operation<Task<unknown>> = operation(function* cancelled(
  work: Operation<unknown>,
): Coroutine<Task<unknown>> {
  return yield* taskGroup(function* (group) {
    const task = group.startSoon(function* () {
      try {
        return yield* work;
      } catch (error) {
        return error;
      }
    });
    yield* waitAllTasksBlocked();
    task.cancel();
    yield* task.wait();
    return task;
  });
});

/** A promise that settles only after its signal was aborted. */
const onAbort = (settle: (resolve: (value: string) => void, reject: (error: unknown) => void) => void) =>
  fromPromise(
    (signal) =>
      new Promise<string>((resolve, reject) => {
        signal.addEventListener("abort", () => setTimeout(() => settle(resolve, reject), 1));
      }),
  );

each("fromPromise with a function aborts its signal and waits for the real end; a value wins", function* () {
  expect((yield* cancelled(onAbort((resolve) => resolve("value")))).value).toBe("value");
  const aborted = yield* cancelled(onAbort((_, reject) => reject(new DOMException("x", "AbortError"))));
  expect(isCancelled(aborted.value)).toBe(true);
  const boom = new Error("boom");
  expect((yield* cancelled(onAbort((_, reject) => reject(boom)))).value).toBe(boom);
});

eachAsync("operations can be awaited inside the function given to fromPromise", function* () {
  const event = new Event();
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      yield* waitAllTasksBlocked();
      event.set();
    });
    expect(
      yield* fromPromise(async () => {
        await event.wait();
        return "through";
      }),
    ).toBe("through");
  });
});

each("fromPromise of an object whose then calls back at once, or throws", function* () {
  const now = { then: (resolve: (value: number) => void) => resolve(5) } as unknown as PromiseLike<number>;
  expect(yield* fromPromise(now)).toBe(5);
  const boom = new Error("boom");
  const bad = {
    then: () => {
      throw boom;
    },
  } as unknown as PromiseLike<number>;
  expect(yield* caught(fromPromise(bad))).toBe(boom);
  yield* sleep(2);
  yield* moveOnAfter(1, sleepForever());
});

eachAsync("fromPromise of a function that gives an operation performs it", function* () {
  expect(yield* fromPromise(() => sleep(1).then(() => 3))).toBe(3);
  yield* fromPromise(() => sleep(1));
});

each("fromPromise cancelled before, during and in the turn of its promise", function* () {
  let resolve: (value: number) => void = () => {};
  const promise = new Promise<number>((settle) => {
    resolve = settle;
  });
  yield* moveOnAfter(0, fromPromise(promise));
  yield* taskGroup(function* (group) {
    group.startSoon(fromPromise(promise));
    yield* waitAllTasksBlocked();
    group.cancel();
  });
  yield* taskGroup(function* (group) {
    const waiter = group.startSoon(fromPromise(promise));
    yield* waitAllTasksBlocked();
    resolve(1);
    waiter.cancel();
    yield* waiter.wait();
    expect(waiter.status).toBe("cancelled");
  });
  expect(yield* fromPromise(promise)).toBe(1);
});

eachAsync("an operation awaited inside then() called by hand", async () => {
  const value = await sleep(1).then(
    async () => {
      await sleep(1);
      return 5;
    },
    (error: unknown) => {
      throw error;
    },
  );
  expect(value).toBe(5);
});

eachAsync("then() called by hand calls back later, never at once", async () => {
  const event = new Event();
  event.set();
  const order: string[] = [];
  const done = event.wait().then(
    () => order.push("then"),
    () => order.push("failed"),
  );
  order.push("after");
  await done;
  expect(order).toEqual(["after", "then"]);
});
