/**
 * First come, first served: the line of operations that wait for one thing, linked through the operations themselves.
 *
 * Invariant: whoever is in the line is parked; it leaves the line in the same stack in which it is resumed or aborted.
 */
import type { Cancelled } from "./errors.ts";
import { Leaf } from "./leaf.ts";
import type { Strand } from "./strand.ts";
import type { TaskStrand } from "./task.ts";

interface Line {
  add(waiter: Queued<unknown>): void;
  remove(waiter: Queued<unknown>): void;
}

/** An operation that waits in a line. */
export abstract class Queued<T> extends Leaf<T> {
  /** @internal */
  ahead: Queued<unknown> | undefined = undefined;
  /** @internal */
  behind: Queued<unknown> | undefined = undefined;

  private readonly line: Line;

  constructor(line: Line) {
    super();
    this.line = line;
  }

  /** Parks at the end of the line. */
  protected queueUp(strand: Strand): IteratorResult<unknown, unknown> {
    this.line.add(this);
    return this.park(strand);
  }

  protected abort(_cancelled: Cancelled): boolean {
    this.line.remove(this);
    return true;
  }

  protected override again(): this {
    const copy = super.again();
    copy.ahead = undefined;
    copy.behind = undefined;
    return copy;
  }

  /** Who waits. */
  get waiter(): TaskStrand | undefined {
    return this.strand?.task;
  }

  get waitingStrand(): Strand | undefined {
    return this.strand;
  }
}

export class WaitQueue<W extends Queued<unknown>> {
  private head: W | undefined = undefined;
  private tail: W | undefined = undefined;
  private count = 0;

  get size(): number {
    return this.count;
  }

  get first(): W | undefined {
    return this.head;
  }

  add(waiter: W): void {
    const { tail } = this;
    waiter.ahead = tail;
    waiter.behind = undefined;
    if (tail === undefined) this.head = waiter;
    else tail.behind = waiter;
    this.tail = waiter;
    this.count++;
  }

  remove(waiter: W): void {
    const { ahead, behind } = waiter;
    if (ahead === undefined) this.head = behind as W | undefined;
    else ahead.behind = behind;
    if (behind === undefined) this.tail = ahead as W | undefined;
    else behind.ahead = ahead;
    waiter.ahead = undefined;
    waiter.behind = undefined;
    this.count--;
  }

  *[Symbol.iterator](): Generator<W, void, undefined> {
    for (let at = this.head; at !== undefined;) {
      const next = at.behind as W | undefined;
      yield at;
      at = next;
    }
  }

  /**
   * Makes those that match throw. The first failure may cancel others in the line (rivals of a race): each is looked at
   * again when its turn comes.
   */
  failWhere(matches: (waiter: W) => boolean, error: () => Error): void {
    const waiters = Array.from(this).filter(matches);
    for (const waiter of waiters) {
      if (waiter.waitingStrand === undefined) continue;
      this.remove(waiter);
      waiter.fail(error());
    }
  }

  failAll(error: () => Error): void {
    this.failWhere(() => true, error);
  }

  shift(): W | undefined {
    const { head } = this;
    if (head === undefined) return undefined;
    const next = head.behind as W | undefined;
    this.head = next;
    if (next === undefined) {
      this.tail = undefined;
    } else {
      next.ahead = undefined;
      head.behind = undefined;
    }
    this.count--;
    return head;
  }
}
