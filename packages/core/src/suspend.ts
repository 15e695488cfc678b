/**
 * `suspend`: the one blocking primitive, for whoever builds what core does not have.
 *
 * The contract is trio's `wait_task_rescheduled`: resumed exactly once; asked to abort at most once, in the canceller's
 * stack; once resumed, no cancellation undoes it.
 */
import { type Cancelled, UsageError } from "./errors.ts";
import { Immediate, Leaf } from "./leaf.ts";
import type { Strand } from "./strand.ts";
import type { Operation } from "./types.ts";

/** Resumes the operation that waits; exactly once, from any callback. */
export interface Waiter<in T> {
  /** Completes the operation. @throws UsageError if it was resumed before. */
  resume(value: T): void;
  /** Makes the operation throw. @throws UsageError if it was resumed before. */
  fail(error: unknown): void;
}

/**
 * Called at most once, when the operation is cancelled. True: it is un-registered, the waiter will not be used, the
 * cancellation is delivered. False: it cannot stop now and will resume later: with a value, which wins; with an error;
 * or with `fail(cancelled)`, which delivers the cancellation.
 */
export type AbortFn = (cancelled: Cancelled) => boolean;

type Start<T> = (waiter: Waiter<T>) => AbortFn | void;

class SuspendWaiter<T> implements Waiter<T> {
  /** The parked operation, once `start` is over. */
  parked: Leaf<T> | undefined = undefined;
  outcome: { readonly failed: boolean; readonly value: unknown } | undefined = undefined;
  private readonly label: string;

  constructor(label: string) {
    this.label = label;
  }

  resume(value: T): void {
    this.settle(false, value);
    this.parked?.resume(value);
  }

  fail(error: unknown): void {
    this.settle(true, error);
    this.parked?.fail(error);
  }

  settle(failed: boolean, value: unknown): void {
    if (this.outcome !== undefined) {
      throw new UsageError(
        `The waiter of ${this.label} was used a second time. Resume or fail it exactly once.`,
      );
    }
    this.outcome = { failed, value };
  }
}

class Suspension<T> extends Leaf<T> {
  readonly label: string;
  private readonly register: Start<T>;
  private waiter: SuspendWaiter<T> | undefined = undefined;
  private abortFn: AbortFn | undefined = undefined;

  constructor(start: Start<T>) {
    super();
    this.register = start;
    this.label = start.name === "" ? "suspend()" : start.name;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const waiter = new SuspendWaiter<T>(this.label);
    let abortFn: AbortFn | void;
    try {
      abortFn = this.register(waiter);
    } catch (error) {
      waiter.outcome ??= { failed: true, value: error };
      return this.refuse(strand, error);
    }
    const { outcome } = waiter;
    if (outcome !== undefined) {
      return outcome.failed ? this.refuse(strand, outcome.value) : this.complete(strand, outcome.value as T);
    }
    this.waiter = waiter;
    this.abortFn = typeof abortFn === "function" ? abortFn : undefined;
    waiter.parked = this;
    const parked = this.park(strand);
    // Cancelled by `start` itself: the strand was not parked yet, so nobody could ask it.
    if (strand.node.pending !== undefined) this.interrupt(strand.node.pending);
    return parked;
  }

  protected abort(cancelled: Cancelled): boolean {
    const { abortFn, waiter } = this;
    if (abortFn === undefined) return false;
    this.abortFn = undefined;
    if (!abortFn(cancelled)) return false;
    if (waiter?.outcome !== undefined) {
      throw new UsageError(
        "The abort function resumed its waiter and returned true. Return false after resuming.",
      );
    }
    if (waiter !== undefined) waiter.outcome = { failed: true, value: cancelled };
    return true;
  }
}

/**
 * Parks the current task until the waiter is resumed. Everything that blocks can be built on it.
 *
 * ```ts
 * const timer = (milliseconds: number): Operation<void> =>
 *   suspend<void>((waiter) => {
 *     const handle = setTimeout(() => waiter.resume(undefined), milliseconds);
 *     return () => {
 *       clearTimeout(handle);
 *       return true;
 *     };
 *   });
 * await timer(1);
 * ```
 */
export function suspend<T = void>(start: (waiter: Waiter<T>) => AbortFn | void): Operation<T> {
  if (typeof start !== "function")
    throw new UsageError("suspend() takes a function (waiter) => abort function.");
  return new Suspension<T>(start);
}

class Checkpoint extends Leaf<void> {
  get label(): string {
    return "its turn";
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    // With nobody else ready the turn would come straight back; the budget still sees to the host.
    return strand.run.loop.isIdle ? this.complete(strand, undefined) : this.completeLater(strand, undefined);
  }

  protected abort(): boolean {
    return false;
  }
}

class ShieldedCheckpoint extends Checkpoint {
  protected override enterCancelled(strand: Strand): IteratorResult<unknown, unknown> {
    return this.enter(strand);
  }
}

class CheckpointIfCancelled extends Immediate<void> {
  get label(): string {
    return "a cancellation check";
  }

  protected act(): void {
    // Arriving cancelled is all there is to check.
  }
}

/** Gives every other ready task a turn, and throws if this one is cancelled. */
export function checkpoint(): Operation<void> {
  return new Checkpoint();
}

/** Throws if this task is cancelled; otherwise goes on at once. */
export function checkpointIfCancelled(): Operation<void> {
  return new CheckpointIfCancelled();
}

/** Gives every other ready task a turn, cancelled or not. */
export function shieldedCheckpoint(): Operation<void> {
  return new ShieldedCheckpoint();
}
