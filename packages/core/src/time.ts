/** Time: sleeping, and what the clock of the loop says. Milliseconds everywhere. */
import type { Timer, TimerHandle } from "./backend.ts";
import { UsageError } from "./errors.ts";
import { Leaf } from "./leaf.ts";
import { openFrame } from "./ambient.ts";
import { realm } from "./realm.ts";
import type { Strand } from "./strand.ts";
import type { Operation } from "./types.ts";

/** A number that can be a time; `NaN` would compare as neither before nor after anything. */
export function checkTime(value: number, what: string): number {
  if (typeof value !== "number" || Number.isNaN(value)) {
    throw new UsageError(
      `The ${what} is ${String(value)}. Give a number of milliseconds; Infinity for none.`,
    );
  }
  return value;
}

class Sleep extends Leaf<void> implements Timer {
  private readonly time: number;
  private readonly relative: boolean;
  private handle: TimerHandle | undefined = undefined;

  constructor(time: number, relative: boolean) {
    super();
    this.time = time;
    this.relative = relative;
  }

  get label(): string {
    return this.relative ? `${this.time} ms to pass` : `the time ${this.time}`;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { loop } = strand.run;
    if (this.relative ? this.time <= 0 : this.time <= loop.now())
      return this.completeLater(strand, undefined);
    this.handle = loop.callAt(this.relative ? loop.now() + this.time : this.time, this, "operation");
    return this.park(strand);
  }

  protected abort(): boolean {
    this.handle?.cancel();
    return true;
  }

  expired(): void {
    this.resume(undefined);
  }
}

class Forever extends Leaf<never> {
  get label(): string {
    return "nothing, for ever";
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    return this.park(strand);
  }

  protected abort(): boolean {
    return true;
  }
}

/** Waits so many milliseconds. `sleep(0)` is a checkpoint. @throws UsageError for NaN. */
export function sleep(milliseconds: number): Operation<void> {
  checkTime(milliseconds, "time to sleep");
  return milliseconds === Infinity ? new Forever() : new Sleep(milliseconds, true);
}

/** Waits until a time on the loop's clock (see `now`), in milliseconds. @throws UsageError for NaN. */
export function sleepUntil(deadline: number): Operation<void> {
  checkTime(deadline, "deadline");
  return deadline === Infinity ? new Forever() : new Sleep(deadline, false);
}

/** Waits until it is cancelled. */
export function sleepForever(): Operation<never> {
  return new Forever();
}

/** Milliseconds on the monotonic clock of the loop; outside a run `performance.now()`. */
export function now(): number {
  const run = realm.current?.run ?? openFrame()?.run;
  return run === undefined ? performance.now() : run.loop.now();
}
