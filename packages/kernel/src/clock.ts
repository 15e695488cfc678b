/**
 * Virtual time: it stands still until everybody waits, then jumps to the nearest deadline.
 *
 * Invariant: the clock moves only between drains, so two tasks that sleep alike wake in one turn.
 */
import { UsageError } from "@anyloop/core";

/**
 * A clock for tests, for one kernel: a thousand seconds pass in a millisecond.
 *
 * ```ts
 * const backend = kernel({ clock: new VirtualClock() });
 * await run(sleep(1_000_000), { backend });
 * ```
 */
export class VirtualClock {
  private time = 0;
  private listener: (() => void) | undefined = undefined;
  /** Whether the clock jumps by itself when every task waits. */
  readonly autojump: boolean;

  constructor(options: { readonly autojump?: boolean | undefined } = {}) {
    this.autojump = options.autojump ?? true;
  }

  /** Milliseconds since the clock was made. */
  now(): number {
    return this.time;
  }

  /** Moves the clock on by so many milliseconds; what is due then happens. @throws UsageError if it were to go back. */
  jump(milliseconds: number): void {
    if (!(milliseconds >= 0)) {
      throw new UsageError(
        `The clock cannot jump by ${String(milliseconds)} ms. Give a number of milliseconds, 0 or more.`,
      );
    }
    this.time += milliseconds;
    this.listener?.();
  }

  /** @internal */
  jumpTo(time: number): void {
    this.time = Math.max(this.time, time);
  }

  /** @internal */
  attach(listener: () => void): void {
    if (this.listener !== undefined) {
      throw new UsageError("This VirtualClock belongs to a kernel already. Make one for each kernel.");
    }
    this.listener = listener;
  }
}
