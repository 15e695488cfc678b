/** The contract of locks and their friends. */
import {
  Barrier,
  BrokenResourceError,
  BusyResourceError,
  CapacityLimiter,
  Condition,
  currentTask,
  Deferred,
  Event,
  type Held,
  Lock,
  moveOnAfter,
  type Operation,
  ResourceGuard,
  RLock,
  RunLocal,
  Semaphore,
  sleepForever,
  TaskLocal,
  taskGroup,
  UsageError,
  WouldBlock,
} from "@anyloop/core";
import { checkpoint, ParkingLot } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

each(
  "a lock whose owner ended without releasing throws for waiters [trio lock_acquire_unowned_lock]",
  function* () {
    const lock = new Lock();
    const errors: unknown[] = [];
    yield* taskGroup(function* (group) {
      const go = new Event();
      group.startSoon(function* () {
        yield* lock.acquire();
        yield* go.wait();
      });
      yield* waitAllTasksBlocked();
      for (let waiter = 0; waiter < 2; waiter++) {
        group.startSoon(function* () {
          errors.push(yield* caught(lock.acquire()));
        });
      }
      yield* waitAllTasksBlocked();
      go.set();
    });
    errors.push(yield* caught(lock.acquire()));
    expect(errors).toHaveLength(3);
    expect(errors.every((error) => error instanceof BrokenResourceError)).toBe(true);
  },
);

interface LockLike {
  acquire(): Operation<Held>;
  acquireNowait(): Held;
}

const lockLikes: readonly [string, () => LockLike][] = [
  ["Lock", () => new Lock()],
  ["RLock", () => new RLock()],
  ["Semaphore", () => new Semaphore(1)],
  ["CapacityLimiter", () => new CapacityLimiter(1)],
  ["Condition", () => new Condition()],
];

for (const [name, make] of lockLikes) {
  each(
    `${name}: FIFO under contention [trio generic_lock_fifo_fairness]`,
    function* () {
      const lock = make();
      const order: number[] = [];
      yield* taskGroup(function* (group) {
        const first = yield* lock.acquire();
        for (let index = 0; index < 5; index++) {
          group.startSoon(function* () {
            for (let time = 0; time < 2; time++) {
              const held = yield* lock.acquire();
              order.push(index);
              yield* checkpoint();
              held.release();
            }
          });
          yield* waitAllTasksBlocked();
        }
        first.release();
      });
      expect(order).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    },
    { seeds: 5 },
  );

  each(`${name}: a cancelled waiter leaves no gap, and nobody barges in`, function* () {
    const lock = make();
    yield* taskGroup(function* (group) {
      const held = yield* lock.acquire();
      const doomed = group.startSoon(lock.acquire());
      const next = group.startSoon(function* () {
        return (yield* lock.acquire()).release();
      });
      yield* waitAllTasksBlocked();
      doomed.cancel();
      held.release();
      yield* next.join();
      expect(doomed.status).toBe("cancelled");
      lock.acquireNowait().release();
    });
  });

  each(`${name}: handed over and cancelled in one turn, it is held and not lost`, function* () {
    const lock = make();
    yield* taskGroup(function* (group) {
      const held = yield* lock.acquire();
      const waiter = group.startSoon(function* () {
        const mine = yield* lock.acquire();
        try {
          yield* sleepForever();
        } finally {
          mine.release();
        }
      });
      yield* waitAllTasksBlocked();
      held.release();
      waiter.cancel();
      yield* waiter.wait();
      lock.acquireNowait().release();
    });
  });

  eachAsync(`${name}: async style; disposing twice releases once`, async () => {
    const lock = make();
    let inside = 0;
    await taskGroup(async (group) => {
      for (let index = 0; index < 3; index++) {
        group.startSoon(async () => {
          const held = await lock.acquire();
          expect(++inside).toBe(1);
          await checkpoint();
          inside--;
          held.release();
          held[Symbol.dispose]();
        });
      }
    });
    lock.acquireNowait().release();
  });
}

each("acquiring a lock that the same generator code holds is an error at once", function* () {
  const lock = new Lock();
  const held = yield* lock.acquire();
  expect(yield* caught(lock.acquire())).toBeInstanceOf(UsageError);
  held.release();
  (yield* lock.acquire()).release();
});

eachAsync("rivals for a lock in one async body wait for each other", async () => {
  const lock = new Lock();
  await Promise.all(
    [1, 2, 3].map(async () => {
      const mine = await lock.acquire();
      await checkpoint();
      mine.release();
    }),
  );
});

each("releasing by hand what one does not hold is an error [anyio]", function* () {
  const lock = new Lock();
  expect(() => lock.release()).toThrow(UsageError);
  yield* taskGroup(function* (group) {
    const held = yield* lock.acquire();
    expect(lock.statistics()).toEqual({ locked: true, owner: currentTask(), tasksWaiting: 0 });
    group.startSoon(function* () {
      expect(() => lock.release()).toThrow(UsageError);
      held.release();
    });
  });
  yield* lock.acquire();
  lock.release();
  expect(lock.locked).toBe(false);
});

each("an RLock is taken again by its task, and free after as many releases", function* () {
  const lock = new RLock();
  yield* taskGroup(function* (group) {
    const outer = yield* lock.acquire();
    const inner = yield* lock.acquire();
    const other = group.startSoon(lock.acquire());
    yield* waitAllTasksBlocked();
    outer.release();
    yield* waitAllTasksBlocked();
    expect(other.status).toBe("running");
    inner.release();
    yield* other.join();
  });
});

test("an RLock is refused outside a run; a Lock acquired there has no owner", async () => {
  expect(() => new RLock().acquireNowait()).toThrow(UsageError);
  const lock = new Lock();
  const held = lock.acquireNowait();
  expect(lock.statistics().owner).toBeUndefined();
  held.release();
  lock.acquireNowait();
  lock.release();
});

each("a semaphore counts, and refuses what is released too often", function* () {
  const semaphore = new Semaphore(2, { max: 2 });
  const held = yield* semaphore.acquire();
  yield* semaphore.acquire();
  expect(() => semaphore.acquireNowait()).toThrow(WouldBlock);
  held.release();
  expect(semaphore.value).toBe(1);
  semaphore.release();
  expect(() => semaphore.release()).toThrow(UsageError);
  expect(() => new Semaphore(-1)).toThrow(UsageError);
});

each(
  "growing a limiter wakes exactly as many waiters [anyio increase_tokens_lets_others_acquire]",
  function* () {
    const limiter = new CapacityLimiter(1);
    yield* taskGroup(function* (group) {
      for (let index = 0; index < 4; index++) {
        group.startSoon(function* () {
          yield* limiter.acquire();
          yield* sleepForever();
        });
      }
      yield* waitAllTasksBlocked();
      expect(limiter.statistics()).toMatchObject({ borrowedTokens: 1, tasksWaiting: 3 });
      limiter.totalTokens = 3;
      yield* waitAllTasksBlocked();
      expect(limiter.statistics()).toMatchObject({ borrowedTokens: 3, tasksWaiting: 1, totalTokens: 3 });
      limiter.totalTokens = 1;
      expect(limiter.availableTokens).toBe(0);
      group.cancel();
    });
  },
);

each("a second token on behalf of the same key is an error [anyio]", function* () {
  const limiter = new CapacityLimiter(2);
  const key = {};
  yield* limiter.acquireOnBehalfOf(key);
  expect(yield* caught(limiter.acquireOnBehalfOf(key))).toBeInstanceOf(UsageError);
  limiter.releaseOnBehalfOf(key);
  expect(() => limiter.releaseOnBehalfOf(key)).toThrow(UsageError);
  expect(() => limiter.release()).toThrow(UsageError);
  expect(() => new CapacityLimiter(-1)).toThrow(UsageError);
});

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
    expect(() => lot.unpark(-1)).toThrow(UsageError);
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

each("task locals are inherited from the caller of startSoon, and a child's own", function* () {
  const local = new TaskLocal<string>({ default: "default", name: "user" });
  const unset = new TaskLocal<string>({ name: "unset" });
  expect(() => unset.get()).toThrow(/unset/);
  yield* taskGroup(function* (group) {
    local.set("parent");
    const child = group.startSoon(function* () {
      const inherited = local.get();
      local.set("child");
      yield* checkpoint();
      return [inherited, local.get()];
    });
    expect(yield* child.join()).toEqual(["parent", "child"]);
    expect(local.get()).toBe("parent");
    expect(yield* local.with("inside", () => local.get())).toBe("inside");
    expect(local.get()).toBe("parent");
  });
});

eachAsync("events and task locals in an async body", async () => {
  const event = new Event();
  const local = new TaskLocal<string>({ default: "default" });
  local.set("parent");
  await taskGroup(async (group) => {
    const child = group.startSoon(async () => {
      await event.wait();
      return local.get();
    });
    await waitAllTasksBlocked();
    event.set();
    expect(await child.join()).toBe("parent");
  });
});

each("run locals are shared by the tasks of a run", function* () {
  const local = new RunLocal<number>({ default: 0 });
  yield* taskGroup(function* (group) {
    group.startSoon(() => local.set(5));
  });
  expect(local.get()).toBe(5);
});
