/** What locks keep to that have an owner, the task that acquired: it alone releases by hand, and its end breaks the lock. */
import { BrokenResourceError, type Coroutine, Event, race, taskGroup, UsageError } from "@anyloop/core";
import type { MatrixOptions } from "../matrix.ts";
import { checkThrows, checkThrowsNow, startWaiting } from "./check.ts";
import { checkFree, type LockLike } from "./lock.ts";
import { casesOf, checkMaker, type ConformanceCase, type Rule } from "./suite.ts";

/** A lock that a task releases by hand, and which knows whose it is. */
export interface OwnedLock extends LockLike {
  /** @throws UsageError if the current task does not hold it. */
  release(): void;
}

/** The rules of locks that have an owner, the task that acquired: it alone releases by hand, and its end breaks the lock. */
export function ownedLockConformance(
  makeLock: () => OwnedLock,
  options: MatrixOptions = {},
): ConformanceCase[] {
  checkMaker(makeLock, "ownedLockConformance");
  return casesOf(ownedRules(makeLock), options);
}

function ownedRules(make: () => OwnedLock): Rule[] {
  /** Ends without releasing once it is told to. */
  const negligent = function* (lock: OwnedLock, go: Event): Coroutine<void> {
    yield* lock.acquire();
    yield* go.wait();
  };
  return [
    {
      rule: "releasing by hand what one does not hold is an error [anyio]",
      *body() {
        const lock = make();
        checkThrowsNow(() => lock.release(), UsageError, "release()");
        yield* lock.acquire();
        yield* taskGroup((group) => {
          group.startSoon(function* () {
            checkThrowsNow(() => lock.release(), UsageError, "release()");
          });
        });
        lock.release();
        checkThrowsNow(() => lock.release(), UsageError, "release()");
        checkFree(lock);
      },
    },
    {
      rule: "a lock whose owner ended without releasing is broken for all who wait and who come [trio lock_acquire_unowned_lock]",
      *body() {
        const lock = make();
        const go = new Event();
        yield* taskGroup(function* (group) {
          yield* startWaiting(group, () => negligent(lock, go));
          for (let index = 0; index < 3; index++) {
            yield* startWaiting(group, checkThrows(lock.acquire(), BrokenResourceError, "Waiting"));
          }
          go.set();
        });
        yield* checkThrows(lock.acquire(), BrokenResourceError, "Acquiring");
      },
    },
    {
      rule: "two rivals of one race, and one behind them, are told that the lock is broken",
      *body() {
        const lock = make();
        const go = new Event();
        yield* taskGroup(function* (group) {
          yield* startWaiting(group, () => negligent(lock, go));
          yield* startWaiting(
            group,
            checkThrows(race([lock.acquire(), lock.acquire()]), BrokenResourceError, "The race"),
          );
          yield* startWaiting(group, checkThrows(lock.acquire(), BrokenResourceError, "The one behind"));
          go.set();
        });
      },
    },
  ];
}
