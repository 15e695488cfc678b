/** What every lock keeps to: whatever is acquired by one at a time. Run by `Lock`, `RLock`, a semaphore and a limiter of 1. */
import {
  type Coroutine,
  type Held,
  moveOnAfter,
  type Operation,
  race,
  shield,
  sleep,
  sleepForever,
  taskGroup,
  WouldBlock,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import type { MatrixOptions } from "../matrix.ts";
import { waitAllTasksBlocked } from "../wait-all-tasks-blocked.ts";
import { check, checkSame, checkThrowsNow, startWaiting } from "./check.ts";
import { casesOf, checkMaker, type ConformanceCase, type Rule } from "./suite.ts";

/** Anything that one at a time may hold. */
export interface LockLike {
  acquire(): Operation<Held>;
  /** @throws WouldBlock if somebody holds it. */
  acquireNowait(): Held;
}

export interface LockConformanceOptions extends MatrixOptions {
  /** It tells the strands of one async body apart; true if not given. A lock that counts by task does not. */
  readonly excludesStrands?: boolean | undefined;
}

/**
 * The rules of locks, as test cases: first come, first served; nothing is lost or held twice whoever is cancelled; a
 * guard holds, not a task. Make a fresh lock at each call. Beyond these, `ownedLockConformance` is for locks that know
 * their owner.
 */
export function lockConformance(
  makeLock: () => LockLike,
  { excludesStrands = true, ...options }: LockConformanceOptions = {},
): ConformanceCase[] {
  checkMaker(makeLock, "lockConformance");
  const rules = excludesStrands ? [...lockRules(makeLock), ...strandRules(makeLock)] : lockRules(makeLock);
  return casesOf(rules, options);
}

/** Acquires, passes the turn and releases. */
function* useOnce(lock: LockLike): Coroutine<void> {
  const held = yield* lock.acquire();
  try {
    yield* checkpoint();
  } finally {
    held.release();
  }
}

/** Acquires and keeps it until cancelled. */
function* keep(lock: LockLike): Coroutine<void> {
  const held = yield* lock.acquire();
  try {
    yield* sleepForever();
  } finally {
    held.release();
  }
}

/** Fails unless nobody holds it. */
export function checkFree(lock: LockLike): void {
  lock.acquireNowait().release();
}

function lockRules(make: () => LockLike): Rule[] {
  return [
    {
      rule: "a lock is granted in the order in which it was asked for [trio generic_lock_fifo_fairness]",
      *body() {
        const lock = make();
        const order: number[] = [];
        yield* taskGroup(function* (group) {
          const first = yield* lock.acquire();
          for (let index = 0; index < 5; index++) {
            yield* startWaiting(group, function* () {
              for (let time = 0; time < 2; time++) {
                const held = yield* lock.acquire();
                order.push(index);
                yield* checkpoint();
                held.release();
              }
            });
          }
          first.release();
        });
        checkSame(order, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4], "The order of the holders");
      },
    },
    {
      rule: "a lock is held by one at a time",
      *body() {
        const lock = make();
        const acquire = lock.acquire();
        let inside = 0;
        yield* taskGroup((group) => {
          for (let index = 0; index < 5; index++) {
            group.startSoon(function* () {
              const held = yield* acquire;
              check(++inside === 1, "Two tasks were inside at once.");
              yield* checkpoint();
              inside--;
              held.release();
            });
          }
        });
        checkFree(lock);
      },
    },
    {
      rule: "a lock that is held is refused to who does not wait",
      *body() {
        const lock = make();
        const held = lock.acquireNowait();
        yield* taskGroup((group) => {
          group.startSoon(function* () {
            checkThrowsNow(() => lock.acquireNowait(), WouldBlock, "acquireNowait()");
          });
        });
        held.release();
        checkFree(lock);
      },
    },
    {
      rule: "a lock is handed over on release, before anybody can barge in [trio lock_handover]",
      *body() {
        const lock = make();
        yield* taskGroup(function* (group) {
          const held = yield* lock.acquire();
          yield* startWaiting(group, () => useOnce(lock));
          held.release();
          checkThrowsNow(() => lock.acquireNowait(), WouldBlock, "acquireNowait() before the one who waited");
        });
        checkFree(lock);
      },
    },
    {
      rule: "one who is cancelled while waiting leaves no gap in the line",
      *body() {
        const lock = make();
        yield* taskGroup(function* (group) {
          const held = yield* lock.acquire();
          const doomed = yield* startWaiting(group, () => useOnce(lock));
          const next = yield* startWaiting(group, () => useOnce(lock));
          doomed.cancel();
          held.release();
          yield* next.join();
          check(doomed.status === "cancelled", `The cancelled one is ${doomed.status}.`);
        });
        checkFree(lock);
      },
    },
    {
      rule: "handed over and cancelled in one turn, a lock is held and not lost",
      *body() {
        const lock = make();
        yield* taskGroup(function* (group) {
          const held = yield* lock.acquire();
          const waiter = yield* startWaiting(group, () => keep(lock));
          held.release();
          waiter.cancel();
          yield* waiter.wait();
          checkFree(lock);
        });
      },
    },
    {
      rule: "cancelled in the turn of the hand-over, before or after, the lock goes to the next [anyio cancel_after_release]",
      *body() {
        for (const releaseFirst of [true, false]) {
          const lock = make();
          yield* taskGroup(function* (group) {
            const held = yield* lock.acquire();
            const first = yield* startWaiting(group, () => useOnce(lock));
            const second = yield* startWaiting(group, () => useOnce(lock));
            if (releaseFirst) held.release();
            first.cancel();
            if (!releaseFirst) held.release();
            yield* second.join();
            check(first.status === "cancelled", `The cancelled one is ${first.status}.`);
          });
          checkFree(lock);
        }
      },
    },
    {
      rule: "acquiring in a cancelled scope takes nothing, free or not",
      *body() {
        const lock = make();
        yield* moveOnAfter(0, lock.acquire());
        const held = lock.acquireNowait();
        yield* taskGroup((group) => {
          group.startSoon(function* () {
            yield* moveOnAfter(0, lock.acquire());
          });
        });
        held.release();
        checkFree(lock);
      },
    },
    {
      rule: "a cancelled task may acquire and release under a shield",
      *body() {
        const lock = make();
        yield* taskGroup(function* (group) {
          const child = yield* startWaiting(group, function* () {
            try {
              yield* sleepForever();
            } finally {
              yield* shield(() => useOnce(lock));
            }
          });
          child.cancel();
          yield* useOnce(lock);
        });
        checkFree(lock);
      },
    },
    {
      rule: "a guard may be released anywhere, and releasing it again does nothing",
      *body() {
        const lock = make();
        yield* taskGroup(function* (group) {
          const held = yield* lock.acquire();
          const other = yield* startWaiting(group, () => keep(lock));
          yield* startWaiting(group, function* () {
            held.release();
          });
          held.release();
          held[Symbol.dispose]();
          yield* waitAllTasksBlocked();
          yield* startWaiting(group, function* () {
            checkThrowsNow(() => lock.acquireNowait(), WouldBlock, "acquireNowait()");
          });
          other.cancel();
        });
        checkFree(lock);
      },
    },
    {
      rule: "a lock that was had through a race is held by who asked for it, and the loser leaves the line",
      *body() {
        const lock = make();
        const held = yield* lock.acquire();
        yield* taskGroup(function* (group) {
          const loser = group.startSoon(race([lock.acquire(), waitAllTasksBlocked()]));
          check((yield* loser.join()) === undefined, "The lock was had while another held it.");
          const winner = group.startSoon(function* () {
            const mine = (yield* race([lock.acquire(), sleep(1_000_000)])) as Held;
            yield* checkpoint();
            mine.release();
          });
          yield* waitAllTasksBlocked();
          held.release();
          yield* winner.join();
        });
        checkFree(lock);
      },
    },
    {
      rule: "two rivals of one race wait for the same lock: one has it, and nothing is left behind",
      *body() {
        const lock = make();
        const held = yield* lock.acquire();
        yield* taskGroup(function* (group) {
          yield* startWaiting(group, function* () {
            const mine = yield* race([lock.acquire(), lock.acquire()]);
            mine.release();
          });
          const behind = yield* startWaiting(group, () => useOnce(lock));
          held.release();
          yield* behind.join();
        });
        checkFree(lock);
      },
    },
    {
      rule: "whoever gives up waiting at whatever moment, nothing is lost and nobody is inside with another",
      *body() {
        const lock = make();
        let inside = 0;
        yield* taskGroup((group) => {
          for (let index = 0; index < 4; index++) {
            group.startSoon(function* () {
              for (let time = 0; time < 6; time++) {
                yield* moveOnAfter((index * 3 + time * 5) % 4, function* () {
                  const held = yield* lock.acquire();
                  try {
                    check(++inside === 1, "Two tasks were inside at once.");
                    yield* sleep((index + time) % 3);
                  } finally {
                    inside--;
                    held.release();
                  }
                });
                yield* checkpoint();
              }
            });
          }
        });
        checkFree(lock);
      },
    },
    {
      rule: "a lock works in async style, and a guard disposed of twice releases once",
      isAsync: true,
      async body() {
        const lock = make();
        let inside = 0;
        await taskGroup(async (group) => {
          for (let index = 0; index < 3; index++) {
            group.startSoon(async () => {
              const held = await lock.acquire();
              check(++inside === 1, "Two tasks were inside at once.");
              await checkpoint();
              inside--;
              held.release();
              held[Symbol.dispose]();
            });
          }
        });
        checkFree(lock);
      },
    },
  ];
}

function strandRules(make: () => LockLike): Rule[] {
  return [
    {
      rule: "rivals for a lock in one async body wait for each other",
      isAsync: true,
      async body() {
        const lock = make();
        let inside = 0;
        const work = async (): Promise<void> => {
          const held = await lock.acquire();
          check(++inside === 1, "Two strands were inside at once.");
          await checkpoint();
          inside--;
          held.release();
        };
        await Promise.all([work(), work(), work()]);
        checkFree(lock);
      },
    },
    {
      rule: "a lock that an async rival waits for in a cancelled scope is not taken",
      isAsync: true,
      async body() {
        const lock = make();
        const held = await lock.acquire();
        await Promise.all([moveOnAfter(1, lock.acquire()), moveOnAfter(2, lock.acquire())]);
        held.release();
        checkFree(lock);
      },
    },
  ];
}
