/**
 * Waiting for an exchange: for the head of the answer, for more of its body, for all of it.
 *
 * Invariant: whoever waits is resumed in the microtask after the transport's callback. By then a short answer is complete,
 * so a request and its body cost one wake-up; and a parser that is in the middle of a chunk is not asked to do something
 * else, as a task would.
 */
import { BusyResourceError, type Cancelled, ClosedResourceError } from "@anyloop/core";
import { HostLeaf, type Strand, type Timer, type TimerHandle } from "@anyloop/core/lowlevel";
import type { Exchange } from "./exchange.ts";

/** Whose body it is. */
export interface BodyOwner {
  /** Whether it was given away. */
  readonly isUsed: boolean;
  /** @throws UsageError if it was given away before. */
  claim(): void;
}

/** Makes something of a body. A function defined once: one made for each call is dear. */
export type Convert<O, T> = (bytes: Uint8Array, owner: O) => T;

const due: Wait<unknown>[] = [];

/** In a microtask: the transport is in the middle of its work. */
export function wakeSoon(wait: Wait<unknown>): void {
  if (due.push(wait) === 1) queueMicrotask(wakeAll);
}

function wakeAll(): void {
  // A task that goes on may bring others to be woken: in a microtask of their own.
  for (const wait of due.splice(0)) wait.wake();
}

/** Waits for an exchange, no longer than its time limits. */
export abstract class Wait<T> extends HostLeaf<T> implements Timer {
  protected readonly exchange: Exchange;
  private timer: TimerHandle | undefined = undefined;

  constructor(exchange: Exchange) {
    super();
    this.exchange = exchange;
  }

  get label(): string {
    const { method, url, phase } = this.exchange;
    return `${method} ${url} (${phase})`;
  }

  /** Whether there is nothing to wait for; an exchange that failed aside. */
  protected abstract isReady(): boolean;
  /** What is given then. May throw. */
  protected abstract outcome(): T;

  /** Whether nothing is given any more but the error. */
  protected get hasFailed(): boolean {
    return this.exchange.phase === "failed";
  }

  /** Before anything is waited for. */
  protected prepare(): void {
    // Most have nothing to prepare.
  }

  isDue(): boolean {
    return this.hasFailed || this.isReady();
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { exchange } = this;
    if (exchange.isWaitedFor) return this.refuse(strand, new BusyResourceError("waiting for"));
    let value: T;
    try {
      this.prepare();
      if (this.hasFailed) return this.refuse(strand, exchange.error);
      if (!this.isReady()) return this.wait(strand);
      value = this.outcome();
    } catch (error) {
      return this.refuse(strand, error);
    }
    return this.complete(strand, value);
  }

  private wait(strand: Strand): IteratorResult<unknown, unknown> {
    const { exchange } = this;
    exchange.park(this);
    const parked = this.park(strand);
    this.arm();
    return parked;
  }

  protected abort(cancelled: Cancelled): boolean {
    this.leave();
    this.exchange.abandon(closedBy(cancelled));
    return true;
  }

  /** Sets the timer for the next limit. */
  arm(): void {
    this.timer?.cancel();
    this.timer = undefined;
    const { strand } = this;
    const deadline = this.exchange.nextDeadline();
    if (strand === undefined || deadline === Infinity) return;
    const { loop } = strand.run;
    this.timer = loop.callAt(loop.now() + deadline - performance.now(), this, "deadline");
  }

  expired(): void {
    this.timer = undefined;
    // More has come since the timer was set: the limit is a later one by now.
    if (!this.exchange.expire()) this.arm();
  }

  wake(): void {
    const { exchange } = this;
    // Cancelled meanwhile, or woken by what came first.
    if (this.strand === undefined) return;
    this.leave();
    if (this.hasFailed) {
      this.fail(exchange.error);
      return;
    }
    let value: T;
    try {
      value = this.outcome();
    } catch (error) {
      this.fail(error);
      return;
    }
    this.resume(value);
  }

  protected leave(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.exchange.unpark();
  }
}

export class Head extends Wait<void> {
  protected override prepare(): void {
    this.exchange.begin();
  }

  protected isReady(): boolean {
    return this.exchange.status !== 0;
  }

  protected outcome(): void {
    // The exchange has it.
  }
}

/** Waits for the body. Cancelled while it waits or before, it lets go of it: nobody else would. */
abstract class BodyWait<T> extends Wait<T> {
  /** Whether the body is nobody else's. */
  protected abstract isOurs(): boolean;

  protected override enterCancelled(strand: Strand, cancelled: Cancelled): IteratorResult<unknown, unknown> {
    if (this.isOurs()) this.exchange.abandon(closedBy(cancelled));
    return super.enterCancelled(strand, cancelled);
  }
}

export class More extends BodyWait<Uint8Array> {
  private readonly maxBytes: number;
  private readonly isKept: boolean;

  /** `isKept`: whoever is cancelled comes back for more. */
  constructor(exchange: Exchange, maxBytes: number, isKept: boolean) {
    super(exchange);
    this.maxBytes = maxBytes;
    this.isKept = isKept;
  }

  /** What had come before it failed is given first. */
  protected override get hasFailed(): boolean {
    return super.hasFailed && this.exchange.chunks.length === 0;
  }

  protected isOurs(): boolean {
    return !this.isKept && !this.exchange.isWaitedFor;
  }

  protected isReady(): boolean {
    return this.exchange.chunks.length > 0 || this.exchange.isComplete;
  }

  protected outcome(): Uint8Array {
    return this.exchange.take(this.maxBytes);
  }

  protected override abort(cancelled: Cancelled): boolean {
    if (!this.isKept) return super.abort(cancelled);
    this.leave();
    return true;
  }
}

export class Collect<O extends BodyOwner, T> extends BodyWait<T> {
  private readonly owner: O;
  private readonly convert: Convert<O, T>;
  private readonly maxBytes: number;

  constructor(exchange: Exchange, owner: O, convert: Convert<O, T>, maxBytes: number) {
    super(exchange);
    this.owner = owner;
    this.convert = convert;
    this.maxBytes = maxBytes;
  }

  protected isOurs(): boolean {
    return !this.owner.isUsed;
  }

  protected override prepare(): void {
    this.owner.claim();
    this.exchange.wantAll(this.maxBytes);
  }

  protected isReady(): boolean {
    return this.exchange.isComplete;
  }

  protected outcome(): T {
    return this.convert(this.exchange.takeAll(), this.owner);
  }
}

export class Settled extends Wait<void> {
  protected isReady(): boolean {
    return this.exchange.isOver;
  }

  protected outcome(): void {
    // The exchange has it.
  }

  /** Whoever waits for this has no claim on the answer. */
  protected override abort(): boolean {
    this.leave();
    return true;
  }
}

function closedBy(cancelled: Cancelled): ClosedResourceError {
  const error = new ClosedResourceError(
    "This response was closed, because a task that waited for it was cancelled. Send the request again.",
  );
  error.cause = cancelled;
  return error;
}
