/** Calling into a run from outside: answered exactly once, as a task of the run, and refused after its end. */
import {
  type Coroutine,
  currentTask,
  fromPromise,
  run,
  RunFinishedError,
  sleep,
  sleepForever,
  type Task,
  TaskCancelled,
  taskGroup,
} from "@anyloop/core";
import { openPortal, type Portal, UniversalEvent } from "@anyloop/bridge";
import { kernel } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { expect, test } from "vitest";
import { caught, each } from "./each.ts";

/** What a call from a callback of the host gives. */
function fromCallback<T>(call: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    setTimeout(() => void call().then(resolve, reject), 0);
  });
}

each("a call from a callback runs as a task of the run and gives its value", function* () {
  const value = yield* openPortal(function* (portal) {
    const host = currentTask();
    return yield* fromPromise(
      fromCallback(() =>
        portal.call(function* () {
          yield* sleep(0);
          return currentTask().parent === host ? "inside" : "elsewhere";
        }),
      ),
    );
  });
  expect(value).toBe("inside");
});

each("an error of a call is the caller's, and the portal goes on", function* () {
  const boom = new Error("boom");
  yield* openPortal(function* (portal) {
    const failing = fromCallback(() =>
      portal.call(() => {
        throw boom;
      }),
    );
    expect(yield* caught(fromPromise(failing))).toBe(boom);
    expect(yield* fromPromise(portal.call(() => 1))).toBe(1);
  });
});

each("an error of startSoon is the portal's", function* () {
  const boom = new Error("boom");
  const work = openPortal(function* (portal) {
    portal.startSoon(() => {
      throw boom;
    });
    yield* sleepForever();
  });
  expect(yield* caught(work)).toBe(boom);
});

each("aborting a call cancels it, and is answered after its real end", function* () {
  const steps: string[] = [];
  const reason = new Error("changed my mind");
  yield* openPortal(function* (portal) {
    const controller = new AbortController();
    const begun = new UniversalEvent();
    const calling = portal.call(
      function* () {
        try {
          begun.set();
          yield* sleepForever();
        } finally {
          steps.push("cleaned");
        }
      },
      { signal: controller.signal },
    );
    yield* begun.wait();
    controller.abort(reason);
    expect(yield* caught(fromPromise(calling))).toBe(reason);
    expect(steps).toEqual(["cleaned"]);
  });
});

each("the body waits for calls that are on their way", function* () {
  const steps: string[] = [];
  let calling: Promise<unknown> = Promise.resolve();
  yield* openPortal(function* (portal) {
    calling = portal.call(function* () {
      yield* sleep(1);
      steps.push("called");
    });
    yield* sleep(0);
  });
  expect(steps).toEqual(["called"]);
  yield* fromPromise(calling);
});

each("a call that is cancelled with the run is answered TaskCancelled", function* () {
  let answer: Promise<unknown> = Promise.resolve();
  yield* taskGroup(function* (group) {
    group.startSoon(
      openPortal(function* (portal) {
        answer = portal.call(sleepForever()).catch((error: unknown) => error);
        yield* sleep(0);
        group.cancel();
        yield* sleepForever();
      }),
    );
  });
  expect(yield* fromPromise(answer)).toBeInstanceOf(TaskCancelled);
});

each("after the end every call is refused with RunFinishedError", function* () {
  let kept: Portal | undefined;
  yield* openPortal(function* (portal) {
    kept = portal;
    yield* sleep(0);
  });
  const portal = kept as Portal;
  expect(portal.isOpen).toBe(false);
  expect(yield* caught(fromPromise(portal.call(() => 1)))).toBeInstanceOf(RunFinishedError);
  expect(() => portal.startSoon(() => 1)).toThrow(RunFinishedError);
});

test("a run on one backend calls into a run on another, both ways", async () => {
  const open = new UniversalEvent();
  const done = new UniversalEvent();
  let inKernel: Portal | undefined;
  const serving = run(
    openPortal(function* (portal) {
      inKernel = portal;
      open.set();
      yield* done.wait();
    }),
    { backend: kernel() },
  );
  const names = await run(
    function* () {
      yield* open.wait();
      return yield* openPortal(function* (inNative) {
        const calling = (inKernel as Portal).call(function* () {
          const back = yield* fromPromise(inNative.call(() => currentTask().name, { name: "back" }));
          return [currentTask().name, back];
        });
        return yield* fromPromise(calling);
      });
    },
    { backend: native() },
  );
  done.set();
  await serving;
  expect(names).toEqual(["call", "back"]);
});

test("a signal that was used and not aborted keeps no listener of a call", async () => {
  const { signal } = new AbortController();
  let count = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: unknown[]) => {
    count++;
    Reflect.apply(addEventListener, signal, args);
  };
  signal.removeEventListener = (...args: unknown[]) => {
    count--;
    Reflect.apply(removeEventListener, signal, args);
  };
  const task = await run(
    openPortal(function* (portal): Coroutine<Task<number>> {
      expect(yield* fromPromise(portal.call(() => 1, { signal }))).toBe(1);
      return portal.startSoon(() => 2);
    }),
    { backend: kernel() },
  );
  expect(count).toBe(0);
  expect(task.value).toBe(2);
});
