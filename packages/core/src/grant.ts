/**
 * What locks, semaphores and limiters share: something is granted to one claim after another.
 *
 * Invariant: first come, first served, and handed over on release: whenever a claim waits nothing is free, so nobody can
 * barge in; whoever is cancelled leaves no gap. A guard holds, not a task: it may be disposed anywhere.
 */
import { UsageError, WouldBlock } from "./errors.ts";
import { openFrame } from "./ambient.ts";
import { realm } from "./realm.ts";
import type { Strand } from "./strand.ts";
import type { TaskStrand } from "./task.ts";
import type { Operation } from "./types.ts";
import { Queued, WaitQueue } from "./wait-queue.ts";

/** What `acquire` gives: dispose of it, or call `release`, to give back what it holds. Again does nothing. */
export interface Held extends Disposable {
  release(): void;
}

/** Who asks, and for what. */
export interface Claim {
  /** The strand, if it asks in generator style or waits. */
  readonly strand: Strand | undefined;
  /** The task to which the guard is accounted; undefined outside any run. */
  readonly owner: TaskStrand | undefined;
  /** On whose behalf. */
  readonly key: unknown;
}

/** An operation that waits in line with a claim. */
export interface Claiming<H> extends Queued<H> {
  readonly asked: Claim;
}

export abstract class Grantable<H extends Held> {
  /** @internal */
  readonly line: WaitQueue<Claiming<H>> = new WaitQueue();
  /** @internal For reports. */
  abstract readonly label: string;

  /** @internal Throws if this claim can never be granted. */
  protected abstract check(claim: Claim): void;
  /** @internal Takes it, or gives undefined if the claim has to wait. */
  protected abstract tryGrant(claim: Claim): H | undefined;
  /** @internal A claim begins to wait. */
  abstract waits(): void;

  /** @internal */
  claim(claim: Claim): H | undefined {
    this.check(claim);
    return this.tryGrant(claim);
  }

  /** Something was given back: hands it to those who wait. */
  protected serve(): void {
    for (let { first } = this.line; first !== undefined; { first } = this.line) {
      const held = this.tryGrant(first.asked);
      if (held === undefined) {
        this.waits();
        return;
      }
      this.line.remove(first);
      first.resume(held);
    }
  }

  protected grantNowait(key: unknown): H {
    const held = this.claim({ strand: realm.current, owner: callingTask(), key });
    if (held === undefined) throw new WouldBlock(`${this.label} cannot be acquired without waiting.`);
    return held;
  }

  protected grantLater(key: unknown): Operation<H> {
    return new Acquire<H>(this, key);
  }
}

/** The task that runs this code, unless it is only an operation awaited outside any run. */
export function callingTask(): TaskStrand | undefined {
  return accountable(realm.current?.task ?? openFrame()?.task);
}

function accountable(task: TaskStrand | undefined): TaskStrand | undefined {
  return task?.run.isOutside === true ? undefined : task;
}

export function notHeld(label: string): UsageError {
  return new UsageError(
    `${label} is not held by this task, so it cannot release it. Release what you acquired, once.`,
  );
}

class Acquire<H extends Held> extends Queued<H> implements Claiming<H> {
  private readonly target: Grantable<H>;
  private readonly key: unknown;
  asked: Claim = nobody;

  constructor(target: Grantable<H>, key: unknown) {
    super(target.line);
    this.target = target;
    this.key = key;
  }

  get label(): string {
    return this.target.label;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    // Awaited in an async body it has no strand of its own: its rivals may have the same one.
    const asker = strand.iterator === (this as unknown) ? undefined : strand;
    this.asked = { strand: asker, owner: accountable(strand.task.claimant), key: this.key };
    let held: H | undefined;
    try {
      held = this.target.claim(this.asked);
    } catch (error) {
      return this.refuse(strand, error);
    }
    if (held !== undefined) return this.complete(strand, held);
    const answer = this.queueUp(strand);
    this.target.waits();
    return answer;
  }
}

const nobody: Claim = { strand: undefined, owner: undefined, key: undefined };
