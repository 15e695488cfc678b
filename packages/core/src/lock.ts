/**
 * A lock: one at a time, in order of arrival.
 *
 * Invariant: it is held by at most one guard. Once the task that acquired it has ended without releasing, everybody who
 * waits or comes is told that it is broken instead of waiting for ever, until somebody releases the guard.
 */
import { BrokenResourceError, UsageError } from "./errors.ts";
import { callingTask, type Claim, Grantable, type Held, notHeld } from "./grant.ts";
import type { Task } from "./task.ts";
import type { Operation } from "./types.ts";

export interface LockStatistics {
  readonly locked: boolean;
  /** The task that acquired it; undefined if it is free or was acquired outside any run. */
  readonly owner: Task<unknown> | undefined;
  readonly tasksWaiting: number;
}

/**
 * From anyio. Acquire it with `using`, or release the guard in `finally`.
 *
 * ```ts
 * const lock = new Lock();
 * await run(function* () {
 *   const held = yield* lock.acquire();
 *   try {
 *     yield* sleep(1);
 *   } finally {
 *     held.release();
 *   }
 * });
 * ```
 */
export class Lock extends Grantable<Held> {
  get label(): string {
    return "a lock";
  }

  protected holder: LockGuard | undefined = undefined;

  /**
   * Waits until the lock is free and takes it.
   * @throws UsageError if the same generator code holds it already; BrokenResourceError if its owner ended without releasing.
   */
  acquire(): Operation<Held> {
    return this.grantLater(undefined);
  }

  /** Takes the lock if it is free. @throws WouldBlock if it is not. */
  acquireNowait(): Held {
    return this.grantNowait(undefined);
  }

  /** Releases what the current task acquired. @throws UsageError if it does not hold the lock. */
  release(): void {
    this.heldHere().release();
  }

  get locked(): boolean {
    return this.holder !== undefined;
  }

  statistics(): LockStatistics {
    return { locked: this.locked, owner: this.holder?.claim.owner, tasksWaiting: this.line.size };
  }

  /** @internal The guard that the current task holds. */
  heldHere(): LockGuard {
    const { holder } = this;
    if (holder === undefined || holder.claim.owner !== callingTask()) throw notHeld("The lock");
    return holder;
  }

  /** @internal Gives the lock back, and takes it again later with the same guard: for `Condition`. */
  lend(): LockGuard {
    const guard = this.heldHere();
    this.giveBack(guard);
    return guard;
  }

  /** @internal */
  takeAgain(guard: LockGuard): Operation<Held> {
    return this.grantLater(guard);
  }

  /** @internal */
  giveBack(guard: LockGuard): void {
    if (this.holder !== guard) return;
    guard.claim.owner?.offExit(this);
    this.holder = undefined;
    this.serve();
  }

  /** @internal */
  taskExited(): void {
    this.line.failAll(brokenLock);
  }

  protected check(claim: Claim): void {
    const { holder } = this;
    if (holder?.claim.owner?.hasEnded === true) throw brokenLock();
    if (holder !== undefined && claim.strand !== undefined && holder.claim.strand === claim.strand) {
      throw new UsageError("This task holds the lock already. Release it first, or use an RLock.");
    }
  }

  protected tryGrant(claim: Claim): Held | undefined {
    if (this.holder !== undefined) return undefined;
    const guard = claim.key instanceof LockGuard ? claim.key : new LockGuard(this, claim);
    this.holder = guard;
    return guard;
  }

  /** @internal */
  waits(): void {
    this.holder?.claim.owner?.onExit(this);
  }
}

export class LockGuard implements Held {
  readonly claim: Claim;
  private readonly lock: Lock;
  private released = false;

  constructor(lock: Lock, claim: Claim) {
    this.lock = lock;
    this.claim = claim;
  }

  get isReleased(): boolean {
    return this.released;
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    this.lock.giveBack(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

function brokenLock(): BrokenResourceError {
  return new BrokenResourceError(
    "The task that held this lock ended without releasing it. Release in `finally`, or with `using`.",
  );
}

/**
 * A lock that the task which holds it may acquire again; it is free once every guard was released. It counts by task, so
 * it does not keep two strands of one async body apart.
 */
export class RLock extends Grantable<Held> {
  get label(): string {
    return "a reentrant lock";
  }

  private readonly guards = new Set<RLockGuard>();

  /** @throws UsageError outside a run: no task, no reentrance. BrokenResourceError as for `Lock`. */
  acquire(): Operation<Held> {
    return this.grantLater(undefined);
  }

  /** @throws WouldBlock if another task holds it. */
  acquireNowait(): Held {
    return this.grantNowait(undefined);
  }

  /** Releases one guard of the current task. @throws UsageError if it holds none. */
  release(): void {
    const task = callingTask();
    const [mine] = this.guards;
    if (mine === undefined || mine.claim.owner !== task) throw notHeld("The reentrant lock");
    mine.release();
  }

  get locked(): boolean {
    return this.guards.size > 0;
  }

  statistics(): LockStatistics {
    return { locked: this.locked, owner: this.owner, tasksWaiting: this.line.size };
  }

  /** @internal */
  giveBack(guard: RLockGuard): void {
    const { owner } = this;
    if (!this.guards.delete(guard) || this.guards.size > 0) return;
    owner?.offExit(this);
    this.serve();
  }

  /** @internal */
  taskExited(): void {
    this.line.failAll(brokenLock);
  }

  protected check(claim: Claim): void {
    if (claim.owner === undefined)
      throw new UsageError("An RLock counts by task, so it needs one: use it inside a run.");
    if (this.owner?.hasEnded === true) throw brokenLock();
  }

  protected tryGrant(claim: Claim): Held | undefined {
    if (this.guards.size > 0 && this.owner !== claim.owner) return undefined;
    const guard = new RLockGuard(this, claim);
    this.guards.add(guard);
    return guard;
  }

  /** @internal */
  waits(): void {
    this.owner?.onExit(this);
  }

  private get owner(): Claim["owner"] {
    for (const guard of this.guards) return guard.claim.owner;
    return undefined;
  }
}

class RLockGuard implements Held {
  readonly claim: Claim;
  private readonly lock: RLock;

  constructor(lock: RLock, claim: Claim) {
    this.lock = lock;
    this.claim = claim;
  }

  release(): void {
    this.lock.giveBack(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
