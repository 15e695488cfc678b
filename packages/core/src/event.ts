/** An event: once it has happened, everybody who waits or comes later goes on. Set once; make a new one for the next. */
import type { Strand } from "./strand.ts";
import type { Operation } from "./types.ts";
import { Queued, WaitQueue } from "./wait-queue.ts";

export interface EventStatistics {
  readonly tasksWaiting: number;
}

/**
 * From anyio and trio.
 *
 * ```ts
 * const ready = new Event();
 * setTimeout(() => ready.set(), 1);
 * await ready.wait();
 * console.log(ready.isSet); // true
 * ```
 */
export class Event {
  /** @internal */
  readonly line: WaitQueue<Wait> = new WaitQueue();
  private happened = false;

  get isSet(): boolean {
    return this.happened;
  }

  /** Lets everybody go on. From any callback; again does nothing. */
  set(): void {
    this.happened = true;
    for (let waiter = this.line.shift(); waiter !== undefined; waiter = this.line.shift())
      waiter.resume(undefined);
  }

  /** Waits until the event is set. */
  wait(): Operation<void> {
    return new Wait(this);
  }

  statistics(): EventStatistics {
    return { tasksWaiting: this.line.size };
  }
}

class Wait extends Queued<void> {
  get label(): string {
    return "an event";
  }

  private readonly event: Event;

  constructor(event: Event) {
    super(event.line);
    this.event = event;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    return this.event.isSet ? this.complete(strand, undefined) : this.queueUp(strand);
  }
}
