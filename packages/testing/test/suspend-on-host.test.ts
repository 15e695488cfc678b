/** Waiting for the host, and being told when a task blocks: what I/O is built on. */
import { CancelScope, failAfter, run, sleep, sleepForever, taskGroup, UsageError } from "@anyloop/core";
import {
  checkpoint,
  checkpointIfCancelled,
  suspendOnHost,
  type Waiter,
  whenBlocked,
} from "@anyloop/core/lowlevel";
import { kernel } from "@anyloop/kernel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { each, eachAsync } from "./each.ts";

/** Resumed by a timer of the host, which a virtual clock knows nothing of. */
const hostTimer = (milliseconds: number) =>
  suspendOnHost<string>((waiter) => {
    const handle = setTimeout(() => waiter.resume("rung"), milliseconds);
    return () => {
      clearTimeout(handle);
      return true;
    };
  });

each("while the host owes a wake-up a virtual clock stands still and no deadlock is told", function* () {
  expect(yield* failAfter(1_000, hostTimer(5))).toBe("rung");
});

each("once it was cancelled the host owes nothing: a virtual clock goes on", function* () {
  const scope = new CancelScope();
  yield* taskGroup(function* (group) {
    group.startSoon(scope.run(hostTimer(1_000_000)));
    yield* waitAllTasksBlocked();
    scope.cancel();
    yield* sleep(10);
  });
  expect(scope.cancelledCaught).toBe(true);
});

each("resumed by a task it only schedules: the task's own code comes first", function* () {
  const order: string[] = [];
  let waiter: Waiter<void> | undefined;
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      yield* suspendOnHost((given) => void (waiter = given));
      order.push("resumed");
    });
    yield* waitAllTasksBlocked();
    waiter?.resume();
    order.push("after");
    expect(() => waiter?.resume()).toThrow(UsageError);
  });
  expect(order).toEqual(["after", "resumed"]);
});

eachAsync("resumed in an async body it only schedules too", async () => {
  const order: string[] = [];
  let waiter: Waiter<void> | undefined;
  await taskGroup(async (group) => {
    group.startSoon(async () => {
      await suspendOnHost((given) => void (waiter = given));
      order.push("resumed");
    });
    await waitAllTasksBlocked();
    waiter?.resume();
    order.push("after");
  });
  expect(order).toEqual(["after", "resumed"]);
});

each(
  "an abort function that resumes completes the operation; nobody runs in the canceller's stack",
  function* () {
    const order: string[] = [];
    const scope = new CancelScope();
    yield* taskGroup(function* (group) {
      group.startSoon(
        scope.run(function* () {
          const value = yield* suspendOnHost<string>((waiter) => () => {
            waiter.resume("kept");
            return false;
          });
          order.push(value);
          yield* sleepForever();
        }),
      );
      yield* waitAllTasksBlocked();
      // A callback of the host, with no step on the stack.
      yield* suspendOnHost((waiter) => {
        setTimeout(() => {
          scope.cancel();
          order.push("cancelled");
          waiter.resume();
        }, 0);
      });
    });
    expect([order, scope.cancelledCaught]).toEqual([["cancelled", "kept"], true]);
  },
);

test("on the kernel the host's callback takes the task's next step before it returns", async () => {
  const order: string[] = [];
  await run(
    function* () {
      for (const name of ["first", "second"]) {
        yield* suspendOnHost((waiter) => {
          setTimeout(() => {
            waiter.resume();
            order.push(`callback of the ${name} is over`);
          }, 0);
        });
        order.push(name);
      }
    },
    { backend: kernel() },
  );
  expect(order).toEqual([
    "first",
    "callback of the first is over",
    "second",
    "callback of the second is over",
  ]);
});

test("while other tasks are ready on the kernel, the host's callback leaves them their turn", async () => {
  const order: string[] = [];
  const spin = { isOver: false };
  await run(
    function* () {
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          while (!spin.isOver) yield* checkpoint();
        });
        // Of two tasks that spin one is always ready.
        group.startSoon(function* () {
          while (!spin.isOver) yield* checkpoint();
        });
        yield* suspendOnHost((waiter) => {
          setTimeout(() => {
            waiter.resume();
            order.push("callback");
          }, 2);
        });
        order.push("task");
        spin.isOver = true;
      });
    },
    { backend: kernel() },
  );
  expect(order).toEqual(["callback", "task"]);
});

each("whenBlocked calls back once, when the task waits", function* () {
  const order: string[] = [];
  whenBlocked(() => order.push("blocked"));
  yield* checkpointIfCancelled();
  order.push("running");
  yield* sleep(1);
  order.push("slept");
  yield* sleep(1);
  expect(order).toEqual(["running", "blocked", "slept"]);
});

each("whenBlocked calls back when the task ends", function* () {
  let called = false;
  yield* taskGroup(function* (group) {
    const task = group.startSoon(function* () {
      whenBlocked(() => (called = true));
    });
    yield* task.wait();
    expect(called).toBe(true);
  });
});

test("a task that only gives its turn, its budget spent, has not blocked", async () => {
  const order: string[] = [];
  await run(
    function* () {
      whenBlocked(() => order.push("blocked"));
      for (let count = 0; count < 1_000; count++) yield* checkpointIfCancelled();
      order.push("a thousand operations");
      yield* sleep(1);
    },
    { backend: kernel() },
  );
  expect(order).toEqual(["a thousand operations", "blocked"]);
});
