/** Further cases of what tasks wait for each other with. */
import {
  all,
  Barrier,
  BrokenResourceError,
  CapacityLimiter,
  Condition,
  Deferred,
  Event,
  type Held,
  Lock,
  moveOnAfter,
  race,
  RLock,
  Semaphore,
  shield,
  sleep,
  sleepForever,
  type Task,
  taskGroup,
  TaskLocal,
  UsageError,
  WouldBlock,
} from "@anyloop/core";
import { checkpoint, ParkingLot } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

each("a lock is handed over on release, before anybody can look [trio lock_handover]", function* () {
  const lock = new Lock();
  yield* taskGroup(function* (group) {
    const held = yield* lock.acquire();
    const waiter = group.startSoon(function* () {
      const mine = yield* lock.acquire();
      mine.release();
    });
    yield* waitAllTasksBlocked();
    held.release();
    expect(lock.locked).toBe(true);
    expect(lock.statistics().owner).toBe(waiter);
    expect(() => lock.acquireNowait()).toThrow(WouldBlock);
  });
  expect(lock.locked).toBe(false);
});

each("lock statistics tell owner and waiters [anyio Lock.statistics, owner_after_release]", function* () {
  const lock = new Lock();
  expect(lock.statistics()).toEqual({ locked: false, owner: undefined, tasksWaiting: 0 });
  yield* taskGroup(function* (group) {
    const held = yield* lock.acquire();
    for (let waiting = 1; waiting <= 2; waiting++) {
      group.startSoon(function* () {
        (yield* lock.acquire()).release();
      });
      yield* waitAllTasksBlocked();
      expect(lock.statistics().tasksWaiting).toBe(waiting);
    }
    held.release();
  });
  expect(lock.statistics()).toEqual({ locked: false, owner: undefined, tasksWaiting: 0 });
});

each(
  "cancelled in the turn of the hand-over, a `using` waiter passes the lock on [anyio cancel_after_release]",
  function* () {
    for (const releaseFirst of [true, false]) {
      const lock = new Lock();
      yield* taskGroup(function* (group) {
        const held = yield* lock.acquire();
        const first = group.startSoon(function* () {
          using _held = yield* lock.acquire();
          yield* checkpoint();
        });
        yield* waitAllTasksBlocked();
        const second = group.startSoon(function* () {
          using _held = yield* lock.acquire();
          return "had it";
        });
        yield* waitAllTasksBlocked();
        if (releaseFirst) held.release();
        first.cancel();
        if (!releaseFirst) held.release();
        expect(yield* second.join()).toBe("had it");
        expect(first.status).toBe("cancelled");
      });
      expect(lock.locked).toBe(false);
    }
  },
);

each("acquiring in a cancelled scope takes nothing, free or not", function* () {
  for (const lockLike of [new Lock(), new RLock(), new Semaphore(1), new CapacityLimiter(1)]) {
    yield* moveOnAfter(0, lockLike.acquire());
    (yield* lockLike.acquire()).release();
  }
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

each("a lock that was had through race() is held by who asked for it", function* () {
  const lock = new Lock();
  const held = (yield* race([lock.acquire(), sleep(1_000_000)])) as Held;
  yield* taskGroup(function* (group) {
    const waiter = group.startSoon(function* () {
      using _held = yield* lock.acquire();
      return "had it";
    });
    yield* waitAllTasksBlocked();
    held.release();
    expect(yield* waiter.join()).toBe("had it");
  });
});

each("all who wait for a lock are told when its owner ends without releasing", function* () {
  const lock = new Lock();
  const errors: unknown[] = [];
  yield* taskGroup(function* (group) {
    const go = new Event();
    group.startSoon(function* () {
      yield* lock.acquire();
      yield* go.wait();
    });
    yield* waitAllTasksBlocked();
    for (let index = 0; index < 3; index++) {
      group.startSoon(function* () {
        errors.push(yield* caught(lock.acquire()));
      });
    }
    yield* waitAllTasksBlocked();
    go.set();
  });
  expect(errors.length).toBe(3);
  for (const error of errors) expect(error).toBeInstanceOf(BrokenResourceError);
  expect(lock.statistics().tasksWaiting).toBe(0);
});

each("two rivals of one race wait for a lock that breaks, and one more behind them", function* () {
  const lock = new Lock();
  const errors: unknown[] = [];
  yield* taskGroup(function* (group) {
    const go = new Event();
    group.startSoon(function* () {
      yield* lock.acquire();
      yield* go.wait();
    });
    yield* waitAllTasksBlocked();
    group.startSoon(function* () {
      errors.push(yield* caught(race([lock.acquire(), lock.acquire()])));
    });
    yield* waitAllTasksBlocked();
    group.startSoon(function* () {
      errors.push(yield* caught(lock.acquire()));
    });
    yield* waitAllTasksBlocked();
    go.set();
  });
  for (const error of errors) expect(error).toBeInstanceOf(BrokenResourceError);
  expect(errors.length).toBe(2);
});

each("two rivals of one race join the same task", function* () {
  const go = new Event();
  yield* taskGroup(function* (group) {
    const task = group.startSoon(function* () {
      yield* go.wait();
      return 5;
    });
    const racer = group.startSoon(race([task.join(), task.join()]));
    yield* waitAllTasksBlocked();
    go.set();
    expect(yield* racer.join()).toBe(5);
  });
});

each("two rivals of one race wait for an event, a deferred, a parking lot, a semaphore", function* () {
  const event = new Event();
  const deferred = new Deferred<string>();
  const lot = new ParkingLot();
  const semaphore = new Semaphore(0);
  yield* taskGroup(function* (group) {
    group.startSoon(race([event.wait(), event.wait()]));
    const racer = group.startSoon(race([deferred.wait(), deferred.wait()]));
    group.startSoon(race([lot.park(), lot.park()]));
    group.startSoon(race([semaphore.acquire(), semaphore.acquire()]));
    yield* waitAllTasksBlocked();
    event.set();
    deferred.resolve("x");
    expect(lot.unpark(1)).toBe(1);
    semaphore.release();
    expect(yield* racer.join()).toBe("x");
  });
  expect([event.statistics(), lot.statistics(), semaphore.statistics()]).toEqual(
    Array.from({ length: 3 }, () => ({ tasksWaiting: 0 })),
  );
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

each("a limiter of no tokens makes everybody wait [trio CapacityLimiter_zero_limit_tokens]", function* () {
  const limiter = new CapacityLimiter(1);
  yield* taskGroup(function* (group) {
    limiter.totalTokens = 0;
    expect(() => limiter.acquireNowait()).toThrow(WouldBlock);
    group.startSoon(function* () {
      (yield* limiter.acquireOnBehalfOf("a")).release();
    });
    yield* waitAllTasksBlocked();
    expect(limiter.statistics().tasksWaiting).toBe(1);
    limiter.totalTokens = 1;
  });
});

each("a limiter that shrinks lets nobody in until enough came back [trio change_total_tokens]", function* () {
  const limiter = new CapacityLimiter(2);
  const borrowers = (): unknown[] => [...limiter.statistics().borrowers].sort();
  yield* taskGroup(function* (group) {
    for (let key = 0; key < 5; key++) {
      group.startSoon(limiter.acquireOnBehalfOf(key));
      yield* waitAllTasksBlocked();
    }
    expect(borrowers()).toEqual([0, 1]);
    limiter.totalTokens += 2;
    expect(borrowers()).toEqual([0, 1, 2, 3]);
    limiter.totalTokens -= 3;
    expect([limiter.borrowedTokens, limiter.totalTokens, limiter.availableTokens]).toEqual([4, 1, 0]);
    for (const key of [0, 1, 2]) limiter.releaseOnBehalfOf(key);
    expect(borrowers()).toEqual([3]);
    expect(limiter.statistics().tasksWaiting).toBe(1);
    limiter.releaseOnBehalfOf(3);
    expect(borrowers()).toEqual([4]);
    limiter.releaseOnBehalfOf(4);
    expect(() => limiter.releaseOnBehalfOf(4)).toThrow(UsageError);
  });
});

each("a freed token is reserved for who waits [anyio nowait_acquire_after_release]", function* () {
  const limiter = new CapacityLimiter(1);
  limiter.acquireOnBehalfOfNowait("a");
  yield* taskGroup(function* (group) {
    group.startSoon(limiter.acquireOnBehalfOf("b"));
    yield* waitAllTasksBlocked();
    limiter.releaseOnBehalfOf("a");
    expect(() => limiter.acquireOnBehalfOfNowait("x")).toThrow(WouldBlock);
  });
  expect(limiter.statistics().borrowers).toEqual(["b"]);
});

each("a cancelled borrower leaves the line; its key may come again [anyio acquire_cancelled]", function* () {
  const limiter = new CapacityLimiter(1);
  using _held = yield* limiter.acquire();
  yield* moveOnAfter(1, limiter.acquireOnBehalfOf("key"));
  expect(limiter.statistics().tasksWaiting).toBe(0);
  yield* moveOnAfter(1, limiter.acquireOnBehalfOf("key"));
});

each("the same acquire operation performed by many tasks", function* () {
  const lock = new Lock();
  const acquire = lock.acquire();
  let inside = 0;
  yield* taskGroup((group) => {
    for (let index = 0; index < 5; index++) {
      group.startSoon(function* () {
        using _held = yield* acquire;
        expect(++inside).toBe(1);
        yield* checkpoint();
        inside--;
      });
    }
  });
  expect(lock.locked).toBe(false);
});

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

eachAsync("locks in async style: rivals of one body wait for each other", async () => {
  const lock = new Lock();
  let inside = 0;
  const work = async (): Promise<void> => {
    using _held = await lock.acquire();
    expect(++inside).toBe(1);
    await checkpoint();
    inside--;
  };
  await Promise.all([work(), work(), work()]);
  expect(lock.locked).toBe(false);
});

eachAsync("a lock that an async rival waits for in a cancelled scope is not taken", async () => {
  const lock = new Lock();
  using _held = await lock.acquire();
  await Promise.all([moveOnAfter(1, lock.acquire()), moveOnAfter(2, lock.acquire())]);
  expect(lock.statistics().tasksWaiting).toBe(0);
});

eachAsync("TaskLocal.with in two tasks at once, async style", async () => {
  const local = new TaskLocal<string>({ default: "none" });
  const read = (value: string): Promise<string> =>
    local.with(value, async () => {
      await checkpoint();
      await checkpoint();
      return local.get();
    });
  expect(await all([async () => await read("a"), async () => await read("b")])).toEqual(["a", "b"]);
  expect(local.get()).toBe("none");
});

each("an RLock in a shield is released by a cancelled task", function* () {
  const lock = new RLock();
  yield* taskGroup(function* (group) {
    const child = group.startSoon(function* () {
      using _outer = yield* lock.acquire();
      using _inner = yield* lock.acquire();
      try {
        yield* sleepForever();
      } finally {
        const again = yield* shield(lock.acquire());
        again?.release();
        yield* shield(checkpoint());
      }
    });
    yield* waitAllTasksBlocked();
    child.cancel();
    (yield* lock.acquire()).release();
  });
  expect(lock.locked).toBe(false);
});
