/**
 * Waiting for somebody else's promise.
 *
 * Invariant: given a promise, cancelling stops the waiting and no more; given a function, the work is ours: cancelling
 * aborts its signal and waits until it has really ended, and a value that comes all the same wins.
 */
import { storage } from "./ambient.ts";
import { AsyncFrame } from "./async-frame.ts";
import { isThenable } from "./brand.ts";
import { type Cancelled, isCancelled, UsageError } from "./errors.ts";
import { Leaf } from "./leaf.ts";
import type { Strand } from "./strand.ts";
import type { Operation } from "./types.ts";

/**
 * Waits for a promise, or for the promise that a function gives. The function is called with an `AbortSignal`, inside an
 * async frame of the current task: operations can be awaited in it.
 *
 * ```ts
 * const text = await run(function* () {
 *   return yield* fromPromise(async (signal) => {
 *     signal.throwIfAborted();
 *     return "hello";
 *   });
 * });
 * console.log(text); // hello
 * ```
 *
 * @throws what the promise was rejected with.
 */
export function fromPromise<T>(
  source: PromiseLike<T> | ((signal: AbortSignal) => PromiseLike<T>),
): Operation<T> {
  if (typeof source === "function") return new OwnedPromise(source);
  if (isThenable(source)) return new ForeignPromise(source);
  throw new UsageError("fromPromise() takes a promise, or a function that gives one.");
}

class ForeignPromise<T> extends Leaf<T> {
  get label(): string {
    return "a promise";
  }

  private readonly promise: PromiseLike<T>;

  constructor(promise: PromiseLike<T>) {
    super();
    this.promise = promise;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    strand.run.hold();
    // An object with a `then` of its own may call back at once, or throw.
    Promise.resolve(this.promise).then(
      (value) => this.settled(false, value),
      (error: unknown) => this.settled(true, error),
    );
    return this.park(strand);
  }

  /**
   * Performed again after it was cancelled, it is told once for each performance; the first goes to whoever waits now,
   * which is right: it is the same promise.
   */
  private settled(failed: boolean, value: unknown): void {
    const { strand } = this;
    if (strand === undefined) return;
    strand.run.release();
    this.unpark().wakeInJob(failed, value);
  }

  protected override enterCancelled(strand: Strand, cancelled: Cancelled): IteratorResult<unknown, unknown> {
    // Nobody waits for it here any more; what it is rejected with is not for the host to report.
    Promise.resolve(this.promise).catch(() => {});
    return super.enterCancelled(strand, cancelled);
  }

  protected abort(): boolean {
    this.strand?.run.release();
    return true;
  }
}

class OwnedPromise<T> extends Leaf<T> {
  private readonly source: (signal: AbortSignal) => PromiseLike<T>;
  private controller: AbortController | undefined = undefined;
  private cancelled: Cancelled | undefined = undefined;

  constructor(source: (signal: AbortSignal) => PromiseLike<T>) {
    super();
    this.source = source;
  }

  get label(): string {
    return this.source.name === "" ? "a promise" : `the promise of ${this.source.name}`;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const controller = new AbortController();
    const { signal } = controller;
    const frame = new AsyncFrame(strand, this);
    let promise: PromiseLike<T>;
    try {
      promise =
        storage === undefined
          ? this.source(signal)
          : storage.run<PromiseLike<T>>(frame, () => this.source(signal));
    } catch (error) {
      if (!frame.isBusy) {
        frame.discard();
        return this.refuse(strand, error);
      }
      promise = Promise.reject(error);
    }
    this.controller = controller;
    this.cancelled = undefined;
    const answer = this.park(strand);
    frame.follow(promise);
    // Cancelled by the function itself, before anybody could tell this operation.
    if (strand.node.pending !== undefined) this.interrupt(strand.node.pending);
    return answer;
  }

  protected abort(cancelled: Cancelled): boolean {
    if (this.cancelled === undefined) {
      this.cancelled = cancelled;
      this.controller?.abort(cancelled);
    }
    return false;
  }

  /** The frame has ended. */
  wakeInJob(failed: boolean, value: unknown): void {
    const { cancelled } = this;
    const strand = this.unpark();
    if (failed && cancelled !== undefined && isAbort(value, cancelled)) strand.wakeInJob(true, cancelled);
    else strand.wakeInJob(failed, value);
  }
}

function isAbort(error: unknown, cancelled: Cancelled): boolean {
  return error === cancelled || isCancelled(error) || (error instanceof Error && error.name === "AbortError");
}
