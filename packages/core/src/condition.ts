/**
 * A condition: tasks that hold its lock wait for something to become true, and tell each other when it may have.
 *
 * Invariant: `wait` comes back, by whatever way, with the lock held again by the guard that held it before; a
 * notification reaches somebody who waits or nobody, it is never given to one who was cancelled. Whoever is notified
 * stands in the lock's own line from that moment on, so nobody who comes later barges in.
 */
import type { Cancelled } from "./errors.ts";
import type { Claim, Claiming, Held } from "./grant.ts";
import { Lock, type LockGuard, type LockStatistics } from "./lock.ts";
import { perform } from "./operation.ts";
import { checkCount } from "./parking-lot.ts";
import { shield } from "./scope.ts";
import type { Strand } from "./strand.ts";
import type { Coroutine, Operation } from "./types.ts";
import { Queued, WaitQueue } from "./wait-queue.ts";

export interface ConditionStatistics {
  /** Those who wait to be notified; those who have been are in the lock's line. */
  readonly tasksWaiting: number;
  readonly lock: LockStatistics;
}

/** From anyio and trio. */
export class Condition {
  private readonly lock: Lock;
  private readonly line = new WaitQueue<Wait>();

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

  /**
   * Wakes the first `count` tasks that wait, one after the other as the lock becomes free.
   * @throws UsageError if this task does not hold the lock, and unless it is a count, or Infinity.
   */
  notify(count = 1): void {
    checkCount(count);
    this.lock.heldHere();
    for (let left = count; left > 0; left--) {
      const next = this.line.shift();
      if (next === undefined) return;
      next.notified();
    }
  }

  notifyAll(): void {
    this.notify(Infinity);
  }

  statistics(): ConditionStatistics {
    return { tasksWaiting: this.line.size, lock: this.lock.statistics() };
  }

  private *doWait(): Coroutine<void> {
    const guard = this.lock.lend();
    try {
      yield* new Wait(this.line, this.lock, guard);
    } catch (error) {
      yield* shield(this.lock.takeAgain(guard));
      throw error;
    } finally {
      // Disposed of while it was lent: it holds nothing any more.
      if (guard.isReleased) this.lock.giveBack(guard);
    }
  }

  private *doWaitFor(predicate: () => boolean): Coroutine<void> {
    while (!predicate()) yield* this.doWait();
  }
}

/** Waits in the condition's line, and once notified in the lock's. */
class Wait extends Queued<Held> implements Claiming<Held> {
  readonly asked: Claim;
  private readonly lock: Lock;
  private wasNotified = false;

  constructor(line: WaitQueue<Wait>, lock: Lock, guard: LockGuard) {
    super(line);
    this.lock = lock;
    this.asked = { strand: undefined, owner: guard.claim.owner, key: guard };
  }

  get label(): string {
    return this.wasNotified ? this.lock.label : "a condition";
  }

  notified(): void {
    this.wasNotified = true;
    this.lock.line.add(this);
    this.lock.waits();
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    return this.queueUp(strand);
  }

  protected override abort(cancelled: Cancelled): boolean {
    // What it waited for has happened: the cancellation waits until it has the lock.
    return !this.wasNotified && super.abort(cancelled);
  }
}
