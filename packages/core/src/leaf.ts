/**
 * Leaves: the operations that do something themselves, instead of calling others. All that blocks is one of these.
 *
 * Invariant: a performance either completes or is cancelled, never both. Once `resume` or `fail` was called the outcome
 * stands; a cancellation that comes later waits for the next operation.
 */
import { leafBrand } from "./brand.ts";
import { debug, noteParked } from "./debug.ts";
import { type Cancelled, UsageError } from "./errors.ts";
import { OperationBase } from "./operation.ts";
import { realm } from "./realm.ts";
import type { Strand, Waiting } from "./strand.ts";

export abstract class Leaf<T> extends OperationBase<T> implements Waiting {
  /** The parked strand. */
  protected strand: Strand | undefined;

  // Written out: what the compiler makes of a field with a value spreads `arguments`, for every operation there is.
  constructor() {
    super();
    this.strand = undefined;
  }

  /** Not cancelled: completes with `this.complete(…)`, or registers itself and answers `this.park(strand)`. */
  protected abstract enter(strand: Strand): IteratorResult<unknown, unknown>;

  /** Undoes what `enter` registered. False: it cannot be undone, and the operation will resume by itself. */
  protected abstract abort(cancelled: Cancelled): boolean;

  protected override get isLeaf(): boolean {
    return true;
  }

  get [leafBrand](): true {
    return true;
  }

  protected perform(strand: Strand): IteratorResult<unknown, unknown> {
    const cancelled = strand.node.pending;
    return cancelled === undefined ? this.enter(strand) : this.enterCancelled(strand, cancelled);
  }

  /** Arriving cancelled never starts an operation. `close` alone takes effect first. */
  protected enterCancelled(strand: Strand, cancelled: Cancelled): IteratorResult<unknown, unknown> {
    return this.refuse(strand, cancelled);
  }

  protected refuse(strand: Strand, error: unknown): IteratorResult<unknown, unknown> {
    // A loop that swallows every error must not keep the others from their turn.
    if (--realm.budget > 0) throw error;
    this.active = true;
    strand.wake(true, error);
    return realm.pending;
  }

  protected park(strand: Strand): IteratorResult<unknown, unknown> {
    this.active = true;
    this.strand = strand;
    strand.waiting = this;
    if (debug.on) noteParked(strand);
    return realm.pending;
  }

  /** Completes the performance that is parked. From any callback, once. */
  resume(value: T): void {
    this.unpark().wake(false, value);
  }

  fail(error: unknown): void {
    this.unpark().wake(true, error);
  }

  interrupt(cancelled: Cancelled): void {
    const { strand } = this;
    if (strand === undefined) return;
    let aborted: boolean;
    try {
      aborted = this.abort(cancelled);
    } catch (error) {
      strand.run.crash(error, `The abort function of ${this.label} threw`);
      return;
    }
    if (aborted && this.strand === strand) this.fail(cancelled);
  }

  protected override again(): this {
    const copy = super.again();
    copy.strand = undefined;
    return copy;
  }

  protected unpark(): Strand {
    const { strand } = this;
    if (strand === undefined) throw new UsageError(`${this.label} was resumed twice.`);
    this.strand = undefined;
    return strand;
  }
}

/**
 * A leaf that the host will resume (I/O). While it is parked the run is held: a virtual clock stands still, and no
 * deadlock is told. Resumed from a callback of the host, its task may go on before `resume` returns: call it last.
 */
export abstract class HostLeaf<T> extends Leaf<T> {
  private wasAsked = false;

  protected override park(strand: Strand): IteratorResult<unknown, unknown> {
    this.wasAsked = false;
    strand.run.hold();
    return super.park(strand);
  }

  protected override unpark(): Strand {
    const strand = super.unpark();
    strand.run.release();
    return strand;
  }

  override resume(value: T): void {
    this.settle(false, value);
  }

  override fail(error: unknown): void {
    this.settle(true, error);
  }

  override interrupt(cancelled: Cancelled): void {
    // Whatever comes of it comes in the canceller's stack, which has others to tell before anybody goes on.
    this.wasAsked = true;
    super.interrupt(cancelled);
  }

  private settle(failed: boolean, value: unknown): void {
    const strand = this.unpark();
    if (this.wasAsked) strand.wake(failed, value);
    else strand.wakeFromHost(failed, value);
  }
}

/** An operation that never waits: `act` does it, and may throw. */
export abstract class Immediate<T> extends Leaf<T> {
  protected abstract act(strand: Strand): T;

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    let value: T;
    try {
      value = this.act(strand);
    } catch (error) {
      return this.refuse(strand, error);
    }
    return this.complete(strand, value);
  }

  protected abort(): boolean {
    return false;
  }
}
