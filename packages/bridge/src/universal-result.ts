/** A value that comes later, for every world: settled once, from anywhere, and waited for by tasks, promises and callbacks. */
import type { Operation } from "@anyloop/core";
import type { Strand, Waiter } from "@anyloop/core/lowlevel";
import { Caller, Line, LineLeaf, settledAtOnce, type Waiting, type Withdraw } from "./line.ts";
import { promised, type SignalOptions } from "./promised.ts";

/**
 * curio's UniversalResult.
 *
 * ```ts
 * const answer = new UniversalResult<number>();
 * setTimeout(() => answer.resolve(42), 1);
 * const inTask = await run(function* () {
 *   return yield* answer.wait();
 * });
 * console.log(inTask, await answer.waitPromise()); // 42 42
 * ```
 */
export class UniversalResult<T> {
  /** @internal */
  readonly line: Line<Waiting<T>> = new Line();
  /** @internal */
  outcome: { readonly failed: boolean; readonly value: unknown } | undefined = undefined;

  get isSettled(): boolean {
    return this.outcome !== undefined;
  }

  /** Settles it with a value; false if it was settled before, which then stands. */
  resolve(value: T): boolean {
    return this.settle(false, value);
  }

  /** Settles it with an error that every wait throws; false if it was settled before. */
  reject(error: unknown): boolean {
    return this.settle(true, error);
  }

  /** Waits for the value. @throws what it was rejected with. */
  wait(): Operation<T> {
    return new WaitFor(this);
  }

  /** The same for promise code. */
  waitPromise(options?: SignalOptions): Promise<T> {
    return promised((waiter) => this.waitWith(waiter), options);
  }

  /** The same for callbacks: the waiter is resumed with the value, perhaps before this returns. */
  waitWith(waiter: Waiter<T>): Withdraw {
    const { outcome } = this;
    if (outcome === undefined) return new Caller(waiter).waitIn(this.line);
    if (outcome.failed) waiter.fail(outcome.value);
    else waiter.resume(outcome.value as T);
    return settledAtOnce;
  }

  private settle(failed: boolean, value: unknown): boolean {
    if (this.outcome !== undefined) return false;
    this.outcome = { failed, value };
    for (let next = this.line.shift(); next !== undefined; next = this.line.shift()) {
      if (failed) next.fail(value);
      else next.resume(value as T);
    }
    return true;
  }
}

class WaitFor<T> extends LineLeaf<T> {
  get label(): string {
    return "a universal result";
  }

  private readonly result: UniversalResult<T>;

  constructor(result: UniversalResult<T>) {
    super(result.line);
    this.result = result;
  }

  // Whoever settles the result goes on first.
  override resume(value: T): void {
    this.unpark().wake(false, value);
  }

  override fail(error: unknown): void {
    this.unpark().wake(true, error);
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { outcome } = this.result;
    if (outcome === undefined) return this.queueUp(strand);
    return outcome.failed ? this.refuse(strand, outcome.value) : this.complete(strand, outcome.value as T);
  }
}
