/**
 * The receiving end of a queue on a broker, for whoever writes the bridge to one: what it has to be told is how to pull
 * messages and how to settle one.
 *
 * Invariant: a pulled message is kept here until a task takes it, in the very step in which that task looks; at most one
 * pull is under way, and it asks for no more than tasks wait for. So a cancelled receive loses nothing, and nothing lies
 * around that another receiver could have.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  fromPromise,
  type Operation,
  perform,
  shield,
} from "@anyloop/core";
import { checkpointIfCancelled, ReceiveStreamBase } from "@anyloop/core/lowlevel";
import { Change } from "./change.ts";
import type { MalformedMessageError } from "./errors.ts";
import { decode } from "./json.ts";
import { poisoned } from "./poison.ts";
import {
  checkLimits,
  type DeadLetter,
  type Delivery,
  longestFarewell,
  wordsInTime,
  type WorkQueueLimits,
  type WorkQueueOptions,
} from "./work-queue.ts";

/** What can be said of a message. */
export type Settlement = "ack" | "nak" | "working";

/** A message that the broker has handed out to us. */
export interface PulledMessage {
  /** What was stored. */
  readonly raw: string;
  /** How often it was handed out, this time included. */
  readonly deliveries: number;
  /** Tells the broker. While there is no connection, aborting gives up. Rejects with what the user is to see. */
  settle(how: Settlement, signal: AbortSignal): Promise<unknown>;
}

/** Where messages are pulled from. */
export interface PullSource {
  /**
   * Gives at most `count` messages to `take`, each as it comes. Ends once they have come, after a while without any, and
   * soon after the signal was aborted. Rejects with what the user is to see, once nothing more can come.
   */
  pull(count: number, take: (message: PulledMessage) => void, signal: AbortSignal): Promise<void>;
  /** Closes the connection. Never rejects. */
  close(): Promise<void>;
}

interface Pulled {
  readonly message: PulledMessage;
  /** When the broker hands it out again, by `performance.now()`: its time, not that of the loop. */
  readonly expires: number;
}

export class PulledReceiver<T> extends ReceiveStreamBase<Delivery<T>> {
  /** @internal */
  readonly limits: WorkQueueLimits;
  private readonly source: PullSource;
  private readonly options: WorkQueueOptions<T>;
  private readonly change = new Change();
  private readonly stop = new AbortController();
  private readonly pulled: Pulled[] = [];
  /** What was handed out and not settled, with the time at which it is handed out again; the earliest first. */
  private readonly unsettled = new Map<PulledMessage, number>();
  private waiting = 0;
  private pulling: Promise<void> | undefined = undefined;
  private failure: { readonly error: unknown } | undefined = undefined;

  constructor(source: PullSource, options: WorkQueueOptions<T>) {
    super();
    this.limits = checkLimits(options);
    this.source = source;
    this.options = options;
  }

  get isClosed(): boolean {
    return this.stop.signal.aborted;
  }

  receive(): Operation<Delivery<T>> {
    return perform(this, this.doReceive);
  }

  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  /** @internal */
  settle(message: PulledMessage, how: Settlement): Operation<void> {
    return perform(this, this.doSettle, message, how);
  }

  private *doReceive(): Coroutine<Delivery<T>> {
    yield* checkpointIfCancelled();
    this.waiting++;
    try {
      for (;;) {
        if (this.isClosed) throw new ClosedResourceError();
        const next = this.take();
        const delivery = next === undefined ? undefined : yield* this.deliver(next);
        if (delivery !== undefined) return delivery;
        if (next === undefined) yield* this.waitForMore();
      }
    } finally {
      this.waiting--;
    }
  }

  /** Waits until there may be a message, or room for one. */
  private *waitForMore(): Coroutine<void> {
    if (this.failure !== undefined) throw this.failure.error;
    if (this.room > 0) {
      this.pulling ??= this.pull(Math.min(this.waiting, this.room));
      yield* this.change.next();
      return;
    }
    // Somebody settles one, or its time is over: then it is another's, and no more in flight here.
    const [earliest = 0] = this.unsettled.values();
    const timer = setTimeout(() => this.change.happened(), earliest - performance.now());
    try {
      yield* this.change.next();
    } finally {
      clearTimeout(timer);
    }
  }

  /** How many more may be in flight. */
  private get room(): number {
    const time = performance.now();
    for (const [message, expires] of this.unsettled) {
      if (expires > time) break;
      this.unsettled.delete(message);
    }
    return this.limits.maxInFlight - this.unsettled.size;
  }

  /** What has come for us and is still ours. */
  private take(): Pulled | undefined {
    if (this.room <= 0) return undefined;
    let next = this.pulled.shift();
    while (next !== undefined && next.expires <= performance.now()) next = this.pulled.shift();
    return next;
  }

  private async pull(count: number): Promise<void> {
    try {
      await this.source.pull(count, this.keep, this.stop.signal);
    } catch (error) {
      this.failure = { error };
    }
    this.pulling = undefined;
    this.change.happened();
  }

  private readonly keep = (message: PulledMessage): void => {
    this.pulled.push({ message, expires: performance.now() + this.limits.redeliverAfter });
    this.change.happened();
  };

  /** Hands a message out; undefined if it was taken off the queue instead. */
  private *deliver(next: Pulled): Coroutine<Delivery<T> | undefined> {
    const { message, expires } = next;
    const { poison } = this.options;
    let letter: DeadLetter<T> | undefined;
    let value: T | undefined;
    try {
      value = decode(message.raw) as T;
      if (poison !== undefined && message.deliveries > poison.after) {
        const deliveries = message.deliveries - 1;
        letter = { reason: poisoned(deliveries), deliveries, value };
      }
    } catch (error) {
      if (poison === undefined) throw error;
      const { message: reason, raw } = error as MalformedMessageError;
      letter = { reason, deliveries: message.deliveries, raw };
    }
    if (letter === undefined) {
      this.unsettled.set(message, expires);
      return new PulledDelivery(this, message, value as T);
    }
    yield* this.bury(next, letter);
    return undefined;
  }

  private *bury(next: Pulled, letter: DeadLetter<T>): Coroutine<void> {
    try {
      yield* new CancelScope().run(() => this.options.poison?.handle(letter));
    } catch (error) {
      this.pulled.unshift(next);
      throw error;
    }
    yield* shield(this.settle(next.message, "ack"));
  }

  private *doSettle(message: PulledMessage, how: Settlement): Coroutine<void> {
    yield* checkpointIfCancelled();
    if (this.isClosed) throw new ClosedResourceError();
    yield* fromPromise((signal) => message.settle(how, signal));
    if (this.unsettled.delete(message) && how === "working") {
      this.unsettled.set(message, performance.now() + this.limits.redeliverAfter);
    }
    this.change.happened();
  }

  private *doClose(): Coroutine<void> {
    if (!this.isClosed) {
      this.stop.abort();
      this.change.happened();
      yield* shield(fromPromise(this.farewell()));
    }
    yield* checkpointIfCancelled();
  }

  private async farewell(): Promise<void> {
    await this.pulling;
    const signal = AbortSignal.timeout(longestFarewell);
    const held = [...this.pulled.map(({ message }) => message), ...this.unsettled.keys()];
    // What cannot be given back now is handed out again when its time is over.
    await Promise.allSettled(held.map((message) => message.settle("nak", signal)));
    await this.source.close();
  }
}

class PulledDelivery<T> implements Delivery<T> {
  readonly value: T;
  readonly deliveries: number;
  private readonly receiver: PulledReceiver<T>;
  private readonly message: PulledMessage;

  constructor(receiver: PulledReceiver<T>, message: PulledMessage, value: T) {
    this.value = value;
    this.deliveries = message.deliveries;
    this.receiver = receiver;
    this.message = message;
  }

  ack(): Operation<void> {
    return this.receiver.settle(this.message, "ack");
  }

  nak(): Operation<void> {
    return this.receiver.settle(this.message, "nak");
  }

  keep(): Operation<never> {
    return perform(this, this.doKeep);
  }

  private *doKeep(): Coroutine<never> {
    // The broker's time, which passes also where that of the loop stands still.
    const pause = this.receiver.limits.redeliverAfter / wordsInTime;
    for (;;) {
      yield* fromPromise((signal) => delay(pause, undefined, { signal }));
      yield* this.receiver.settle(this.message, "working");
    }
  }
}
