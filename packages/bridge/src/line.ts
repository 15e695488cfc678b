/**
 * First come, first served, whoever waits: tasks of any run, promise code and callbacks stand in one line.
 *
 * Invariant: whoever is in the line is waiting; it leaves the line in the same stack in which it is resumed or withdrawn.
 */
import { type Cancelled, HostLeaf, type Strand, type Waiter } from "@anyloop/core/lowlevel";

/** Stops waiting. True: it took nothing and will not be called. False: it has been resumed or failed before. */
export type Withdraw = () => boolean;

/** Somebody in a line. */
export interface Waiting<in T> extends Waiter<T> {
  ahead: Waiting<never> | undefined;
  behind: Waiting<never> | undefined;
}

export class Line<W extends Waiting<never>> {
  size = 0;
  private head: W | undefined = undefined;
  private tail: W | undefined = undefined;

  add(waiting: W): void {
    const { tail } = this;
    waiting.ahead = tail;
    waiting.behind = undefined;
    if (tail === undefined) this.head = waiting;
    else tail.behind = waiting;
    this.tail = waiting;
    this.size++;
  }

  remove(waiting: W): void {
    const { ahead, behind } = waiting as Waiting<never>;
    if (ahead === undefined) this.head = behind as W | undefined;
    else ahead.behind = behind;
    if (behind === undefined) this.tail = ahead as W | undefined;
    else behind.ahead = ahead;
    this.size--;
  }

  shift(): W | undefined {
    const { head } = this;
    if (head !== undefined) this.remove(head);
    return head;
  }

  /** Makes everybody throw, each an error of its own. */
  failAll(error: () => unknown): void {
    for (let next = this.shift(); next !== undefined; next = this.shift()) next.fail(error());
  }
}

/**
 * A task in a line. The host may wake it, so its run is held: a virtual clock stands still and no deadlock is told. Resumed
 * from a callback of the host it may take its step before `resume` returns, which has to be the last act of whoever calls.
 */
export abstract class LineLeaf<T> extends HostLeaf<T> implements Waiting<T> {
  ahead: Waiting<never> | undefined;
  behind: Waiting<never> | undefined;
  private readonly line: Line<Waiting<T>>;

  constructor(line: Line<Waiting<T>>) {
    super();
    this.ahead = undefined;
    this.behind = undefined;
    this.line = line;
  }

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
}

/** Promise code or a callback in a line. */
export class Caller<T> implements Waiting<T> {
  ahead: Waiting<never> | undefined = undefined;
  behind: Waiting<never> | undefined = undefined;
  private isWaiting = true;
  private readonly waiter: Waiter<T>;

  constructor(waiter: Waiter<T>) {
    this.waiter = waiter;
  }

  resume(value: T): void {
    this.isWaiting = false;
    this.waiter.resume(value);
  }

  fail(error: unknown): void {
    this.isWaiting = false;
    this.waiter.fail(error);
  }

  /** Takes its place in the line, and tells how to leave it. */
  waitIn(line: Line<Waiting<T>>): Withdraw {
    line.add(this);
    return () => {
      if (!this.isWaiting) return false;
      this.isWaiting = false;
      line.remove(this);
      return true;
    };
  }
}

/** There is nothing to withdraw: it was settled at once. */
export const settledAtOnce: Withdraw = () => false;
