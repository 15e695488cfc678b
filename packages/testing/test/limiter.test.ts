/** Semaphores and capacity limiters, beyond the rules of lock.conformance.test.ts. */
import {
  CapacityLimiter,
  moveOnAfter,
  Semaphore,
  sleepForever,
  taskGroup,
  UsageError,
  WouldBlock,
} from "@anyloop/core";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, each } from "./each.ts";

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

test("a semaphore refuses a max that is no count", () => {
  for (const max of [1.5, Number.NaN, -1]) expect(() => new Semaphore(0, { max })).toThrow(UsageError);
  expect(new Semaphore(0, { max: Infinity }).max).toBe(Infinity);
});
