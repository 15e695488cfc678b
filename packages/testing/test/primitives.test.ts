/** Conditions, barriers, events, deferred values, parking lots and guards. */
import {
  Barrier,
  BusyResourceError,
  Condition,
  currentTask,
  Deferred,
  Event,
  type Held,
  moveOnAfter,
  ResourceGuard,
  type Task,
  taskGroup,
  UsageError,
  WouldBlock,
} from "@anyloop/core";
import { ParkingLot } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, each } from "./each.ts";

each("a condition wakes those who wait, in order, with the lock held again", function* () {
  const condition = new Condition();
  const order: number[] = [];
  yield* taskGroup(function* (group) {
    for (let index = 0; index < 3; index++) {
      group.startSoon(function* () {
        const held = yield* condition.acquire();
        yield* condition.wait();
        expect(condition.locked).toBe(true);
        order.push(index);
        held.release();
      });
      yield* waitAllTasksBlocked();
    }
    expect(condition.statistics().tasksWaiting).toBe(3);
    expect(() => condition.notify()).toThrow(UsageError);
    const held = yield* condition.acquire();
    condition.notify(2);
    held.release();
    yield* waitAllTasksBlocked();
    // Woken in order; who of them has the lock back first is the schedule's.
    expect([...order].sort()).toEqual([0, 1]);
    const again = yield* condition.acquire();
    condition.notifyAll();
    again.release();
  });
  expect(order.at(-1)).toBe(2);
});

each("a cancelled condition wait comes back with the lock held", function* () {
  const condition = new Condition();
  const held = yield* condition.acquire();
  yield* moveOnAfter(1, condition.wait());
  expect(condition.statistics().lock.owner).toBe(currentTask());
  held.release();
  expect(condition.locked).toBe(false);
});

each("a barrier lets go when all have come, and again", function* () {
  const barrier = new Barrier(3);
  const places: number[] = [];
  yield* taskGroup(function* (group) {
    for (let index = 0; index < 6; index++) {
      group.startSoon(function* () {
        places.push(yield* barrier.wait());
      });
    }
  });
  expect(places.sort()).toEqual([0, 0, 1, 1, 2, 2]);
});

each("a deferred is settled once, for all who wait", function* () {
  const deferred = new Deferred<number>();
  yield* taskGroup(function* (group) {
    const early = group.startSoon(deferred.wait());
    yield* waitAllTasksBlocked();
    expect(deferred.resolve(1)).toBe(true);
    expect(deferred.reject(new Error("late"))).toBe(false);
    expect(yield* early.join()).toBe(1);
    expect(yield* deferred.wait()).toBe(1);
  });
});

each("an event set from a callback lets all go on", function* () {
  const event = new Event();
  setTimeout(() => event.set(), 0);
  yield* taskGroup(function* (group) {
    group.startSoon(event.wait());
    group.startSoon(event.wait());
    while (!event.isSet) yield* waitAllTasksBlocked();
  });
  yield* event.wait();
});

each("a parking lot wakes in order", function* () {
  const lot = new ParkingLot();
  const order: number[] = [];
  yield* taskGroup(function* (group) {
    for (let index = 0; index < 3; index++) {
      group.startSoon(function* () {
        yield* lot.park();
        order.push(index);
      });
      yield* waitAllTasksBlocked();
    }
    expect(lot.unpark(2)).toBe(2);
    yield* waitAllTasksBlocked();
    expect(lot.unparkAll()).toBe(1);
    for (const count of [-1, 1.5, Number.NaN]) expect(() => lot.unpark(count)).toThrow(UsageError);
  });
  expect([...order].sort()).toEqual([0, 1, 2]);
  expect(order.at(-1)).toBe(2);
});

test("a resource guard says who came second", () => {
  const guard = new ResourceGuard("reading from");
  const entered = guard.enter();
  expect(() => guard.enter()).toThrow(BusyResourceError);
  expect(() => guard.enter()).toThrow(/reading from/);
  entered[Symbol.dispose]();
  guard.enter();
});

each("a guard released while its task waits for the condition is free afterwards", function* () {
  const condition = new Condition();
  yield* taskGroup(function* (group) {
    let guard: Held | undefined;
    group.startSoon(function* () {
      guard = yield* condition.acquire();
      yield* condition.wait();
    });
    yield* waitAllTasksBlocked();
    guard?.release();
    const mine = yield* condition.acquire();
    condition.notify();
    yield* waitAllTasksBlocked();
    mine.release();
  });
  expect(condition.locked).toBe(false);
});

each("a condition: notify without the lock is an error, and so is waiting", function* () {
  const condition = new Condition();
  expect(() => condition.notify()).toThrow(UsageError);
  expect(() => condition.notifyAll()).toThrow(UsageError);
  expect(yield* caught(condition.wait())).toBeInstanceOf(UsageError);
  expect(condition.locked).toBe(false);
});

each("a condition: counts of notify, and the lock's line [trio Condition]", function* () {
  const condition = new Condition();
  const finished: number[] = [];
  yield* taskGroup(function* (group) {
    for (let index = 0; index < 3; index++) {
      group.startSoon(function* () {
        using _held = yield* condition.acquire();
        yield* condition.wait();
        finished.push(index);
      });
      yield* waitAllTasksBlocked();
    }
    const held = yield* condition.acquire();
    condition.notify(2);
    yield* waitAllTasksBlocked();
    expect(condition.statistics().tasksWaiting).toBe(1);
    expect(condition.statistics().lock.tasksWaiting).toBe(2);
    held.release();
    yield* waitAllTasksBlocked();
    expect(finished.toSorted()).toEqual([0, 1]);
    const again = yield* condition.acquire();
    condition.notifyAll();
    again.release();
  });
  expect(finished.toSorted()).toEqual([0, 1, 2]);
});

each("a condition: one notified and then cancelled waits for the lock all the same", function* () {
  const condition = new Condition();
  let waiter: Task<string> | undefined;
  yield* taskGroup(function* (group) {
    waiter = group.startSoon(function* () {
      using _held = yield* condition.acquire();
      try {
        yield* condition.wait();
      } catch {
        return `cancelled, locked ${String(condition.locked)}`;
      }
      return `notified, locked ${String(condition.locked)}`;
    });
    yield* waitAllTasksBlocked();
    const held = yield* condition.acquire();
    condition.notify();
    waiter.cancel();
    yield* waitAllTasksBlocked();
    expect(waiter.status).toBe("cancelling");
    held.release();
  });
  expect(waiter?.value).toBe("notified, locked true");
  expect(condition.locked).toBe(false);
});

each(
  "a condition: a notification is not lost on one who was cancelled [anyio notification_handover_on_cancel]",
  function* () {
    const condition = new Condition();
    yield* taskGroup(function* (group) {
      const waiters: Task<string>[] = [];
      for (let index = 0; index < 2; index++) {
        waiters.push(
          group.startSoon(function* () {
            using _held = yield* condition.acquire();
            yield* condition.wait();
            return "notified";
          }),
        );
        yield* waitAllTasksBlocked();
      }
      waiters[0]?.cancel();
      const held = yield* condition.acquire();
      condition.notify();
      held.release();
      expect(yield* (waiters[1] as Task<string>).join()).toBe("notified");
    });
  },
);

each(
  "a condition: waitFor asks at once and after each notification; its errors come with the lock held",
  function* () {
    const condition = new Condition();
    let value = 0;
    const boom = new Error("boom");
    yield* taskGroup(function* (group) {
      const waiter = group.startSoon(function* () {
        using _held = yield* condition.acquire();
        yield* condition.waitFor(() => value === 2);
        return value;
      });
      for (let turn = 0; turn < 2; turn++) {
        yield* waitAllTasksBlocked();
        using _held = yield* condition.acquire();
        value++;
        condition.notify();
      }
      expect(yield* waiter.join()).toBe(2);
      const held = yield* condition.acquire();
      const error = yield* caught(
        condition.waitFor(() => {
          throw boom;
        }),
      );
      expect(error).toBe(boom);
      expect(condition.locked).toBe(true);
      held.release();
    });
  },
);

each("a barrier: one that is cancelled leaves, and another must come instead", function* () {
  const barrier = new Barrier(2);
  yield* moveOnAfter(1, barrier.wait());
  expect(barrier.waiting).toBe(0);
  yield* taskGroup(function* (group) {
    const first = group.startSoon(barrier.wait());
    yield* waitAllTasksBlocked();
    expect(first.status).toBe("running");
    yield* barrier.wait();
  });
});

each(
  "a condition: who is notified stands in the lock's line at once, before all who come later [trio Condition]",
  function* () {
    const condition = new Condition();
    const order: string[] = [];
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        using _held = yield* condition.acquire();
        yield* condition.wait();
        order.push("notified");
      });
      yield* waitAllTasksBlocked();
      const held = yield* condition.acquire();
      condition.notify();
      expect(condition.statistics().tasksWaiting).toBe(0);
      expect(condition.statistics().lock.tasksWaiting).toBe(1);
      group.startSoon(function* () {
        using _held = yield* condition.acquire();
        order.push("came later");
      });
      held.release();
      expect(condition.locked).toBe(true);
      expect(() => condition.acquireNowait()).toThrow(WouldBlock);
    });
    expect(order).toEqual(["notified", "came later"]);
  },
);
