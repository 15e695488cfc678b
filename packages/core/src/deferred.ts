/** A value that comes later: settled once, waited for by any number of tasks. The counterpart of a promise's resolvers. */
import type { Strand } from "./strand.ts";
import type { Operation } from "./types.ts";
import { Queued, WaitQueue } from "./wait-queue.ts";

/**
 * From Effect's Deferred and asyncio's Future.
 *
 * ```ts
 * const answer = new Deferred<number>();
 * setTimeout(() => answer.resolve(42), 1);
 * console.log(await answer.wait()); // 42
 * ```
 */
export class Deferred<T> {
  /** @internal */
  readonly line: WaitQueue<WaitFor<T>> = new WaitQueue();
  /** @internal */
  outcome: { readonly failed: boolean; readonly value: unknown } | undefined = undefined;

  get isSettled(): boolean {
    return this.outcome !== undefined;
  }

  /** Settles it with a value; false if it was settled before, which then stands. From any callback. */
  resolve(value: T): boolean {
    return this.settle(false, value);
  }

  /** Settles it with an error that every `wait` throws; false if it was settled before. */
  reject(error: unknown): boolean {
    return this.settle(true, error);
  }

  /** Waits for the value. @throws what it was rejected with. */
  wait(): Operation<T> {
    return new WaitFor(this);
  }

  private settle(failed: boolean, value: unknown): boolean {
    if (this.outcome !== undefined) return false;
    this.outcome = { failed, value };
    for (let waiter = this.line.shift(); waiter !== undefined; waiter = this.line.shift()) {
      if (failed) waiter.fail(value);
      else waiter.resume(value as T);
    }
    return true;
  }
}

class WaitFor<T> extends Queued<T> {
  get label(): string {
    return "a deferred value";
  }

  private readonly deferred: Deferred<T>;

  constructor(deferred: Deferred<T>) {
    super(deferred.line);
    this.deferred = deferred;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { outcome } = this.deferred;
    if (outcome === undefined) return this.queueUp(strand);
    return outcome.failed ? this.refuse(strand, outcome.value) : this.complete(strand, outcome.value as T);
  }
}
