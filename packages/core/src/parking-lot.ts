/**
 * A place where tasks wait in line to be woken: the base of whatever lets tasks wait for each other. trio's.
 *
 * Invariant: woken in order of arrival; whoever is cancelled leaves no gap and takes no wake-up with it.
 */
import { UsageError } from "./errors.ts";
import type { Strand } from "./strand.ts";
import type { Operation } from "./types.ts";
import { Queued, WaitQueue } from "./wait-queue.ts";

export interface ParkingLotStatistics {
  readonly tasksWaiting: number;
}

export class ParkingLot {
  private readonly queue = new WaitQueue<Park>();
  private readonly label: string;

  /** `label` says in reports what is waited for. */
  constructor(label = "a parking lot") {
    this.label = label;
  }

  /** How many wait. */
  get size(): number {
    return this.queue.size;
  }

  /** Waits until it is this task's turn to be woken. */
  park(): Operation<void> {
    return new Park(this.queue, this.label);
  }

  /** Wakes the first `count` that wait; gives how many there were. @throws UsageError unless it is a count, or Infinity. */
  unpark(count = 1): number {
    checkCount(count);
    let woken = 0;
    for (; woken < count; woken++) {
      const next = this.queue.shift();
      if (next === undefined) break;
      next.resume(undefined);
    }
    return woken;
  }

  unparkAll(): number {
    return this.unpark(Infinity);
  }

  statistics(): ParkingLotStatistics {
    return { tasksWaiting: this.size };
  }
}

/** How many to wake. */
export function checkCount(count: number): void {
  if (count === Infinity || (Number.isInteger(count) && count >= 0)) return;
  throw new UsageError(`Cannot wake ${String(count)} tasks. Give a whole number, 0 or more, or Infinity.`);
}

class Park extends Queued<void> {
  readonly label: string;

  constructor(queue: WaitQueue<Park>, label: string) {
    super(queue);
    this.label = label;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    return this.queueUp(strand);
  }
}
