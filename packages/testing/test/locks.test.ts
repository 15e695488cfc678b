/** `Lock` and `RLock`, beyond the rules of lock.conformance.test.ts. */
import {
  BrokenResourceError,
  currentTask,
  Event,
  Lock,
  RLock,
  shield,
  sleepForever,
  type Task,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, each } from "./each.ts";

each("acquiring a lock that the same generator code holds is an error at once", function* () {
  const lock = new Lock();
  const held = yield* lock.acquire();
  expect(yield* caught(lock.acquire())).toBeInstanceOf(UsageError);
  held.release();
  (yield* lock.acquire()).release();
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

each("lock statistics tell owner and waiters [anyio Lock.statistics, owner_after_release]", function* () {
  const lock = new Lock();
  expect(lock.statistics()).toEqual({ locked: false, owner: undefined, tasksWaiting: 0 });
  yield* taskGroup(function* (group) {
    const held = yield* lock.acquire();
    const waiters: Task<void>[] = [];
    for (let waiting = 1; waiting <= 2; waiting++) {
      waiters.push(
        group.startSoon(function* () {
          (yield* lock.acquire()).release();
        }),
      );
      yield* waitAllTasksBlocked();
      expect(lock.statistics().tasksWaiting).toBe(waiting);
    }
    held.release();
    expect(lock.statistics()).toEqual({ locked: true, owner: waiters[0], tasksWaiting: 1 });
  });
  expect(lock.statistics()).toEqual({ locked: false, owner: undefined, tasksWaiting: 0 });
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
