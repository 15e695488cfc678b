/** An event for every world: once it has happened, everybody who waits or comes later goes on. A result without a value. */
import type { Operation } from "@anyloop/core";
import type { Waiter } from "@anyloop/core/lowlevel";
import type { Withdraw } from "./line.ts";
import type { SignalOptions } from "./promised.ts";
import { UniversalResult } from "./universal-result.ts";

/**
 * curio's UniversalEvent; set once, as core's Event.
 *
 * ```ts
 * const ready = new UniversalEvent();
 * setTimeout(() => ready.set(), 1);
 * await run(function* () {
 *   yield* ready.wait();
 * });
 * await ready.waitPromise();
 * console.log(ready.isSet); // true
 * ```
 */
export class UniversalEvent {
  private readonly result = new UniversalResult<void>();

  get isSet(): boolean {
    return this.result.isSettled;
  }

  /** Lets everybody go on. From anywhere; again does nothing. */
  set(): void {
    this.result.resolve();
  }

  /** Waits until the event is set. */
  wait(): Operation<void> {
    return this.result.wait();
  }

  /** The same for promise code. */
  waitPromise(options?: SignalOptions): Promise<void> {
    return this.result.waitPromise(options);
  }

  /** The same for callbacks: the waiter is resumed once the event is set, perhaps before this returns. */
  waitWith(waiter: Waiter<void>): Withdraw {
    return this.result.waitWith(waiter);
  }
}
