/**
 * A condition: tasks that hold its lock wait for something to become true, and tell each other when it may have.
 *
 * Invariant: `wait` comes back, by whatever way, with the lock held again by the guard that held it before; a
 * notification reaches somebody who waits or nobody, it is never given to one who was cancelled.
 */
import type { Held } from "./grant.ts";
import { Lock, type LockStatistics } from "./lock.ts";
import { perform } from "./operation.ts";
import { ParkingLot } from "./parking-lot.ts";
import { shield } from "./scope.ts";
import type { Coroutine, Operation } from "./types.ts";

export interface ConditionStatistics {
  readonly tasksWaiting: number;
  readonly lock: LockStatistics;
}

/** From anyio. */
export class Condition {
  private readonly lock: Lock;
  private readonly lot = new ParkingLot("a condition");

  constructor(lock: Lock = new Lock()) {
    this.lock = lock;
  }

  acquire(): Operation<Held> {
    return this.lock.acquire();
  }

  acquireNowait(): Held {
    return this.lock.acquireNowait();
  }

  release(): void {
    this.lock.release();
  }

  get locked(): boolean {
    return this.lock.locked;
  }

  /** Releases the lock, waits to be notified and takes the lock again. @throws UsageError if this task does not hold it. */
  wait(): Operation<void> {
    return perform(this, this.doWait);
  }

  /** Waits until the predicate holds; asks it first and after each notification, with the lock held. */
  waitFor(predicate: () => boolean): Operation<void> {
    return perform(this, this.doWaitFor, predicate);
  }

  /** Wakes the first `count` tasks that wait. @throws UsageError if this task does not hold the lock. */
  notify(count = 1): void {
    this.lock.heldHere();
    this.lot.unpark(count);
  }

  notifyAll(): void {
    this.notify(Infinity);
  }

  statistics(): ConditionStatistics {
    return { tasksWaiting: this.lot.size, lock: this.lock.statistics() };
  }

  private *doWait(): Coroutine<void> {
    const guard = this.lock.lend();
    try {
      yield* this.lot.park();
    } finally {
      yield* shield(this.lock.takeAgain(guard));
      // Disposed of while it was lent: it holds nothing any more.
      if (guard.isReleased) this.lock.giveBack(guard);
    }
  }

  private *doWaitFor(predicate: () => boolean): Coroutine<void> {
    while (!predicate()) yield* this.doWait();
  }
}
