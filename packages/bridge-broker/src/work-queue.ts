/**
 * What a work queue is, in memory or on a broker: values that are handed out until somebody says that they are done.
 *
 * Invariant: a value that was sent is stored, or handed out, until it is acknowledged or given to the handler of poison;
 * so each is processed at least once. It may be more than once: whoever was told to stop between the work and the
 * acknowledgement has done it, and nobody knows.
 */
import {
  type Handler,
  type ObjectReceiveStream,
  type ObjectSendStream,
  type Operation,
  UsageError,
} from "@anyloop/core";

/** A value handed out, until it is acknowledged, given back, or its time is over. */
export interface Delivery<out T> {
  readonly value: T;
  /** How often it was handed out, this time included. */
  readonly deliveries: number;
  /** The work is done: it is never handed out again. @throws BrokenResourceError, ClosedResourceError. */
  ack(): Operation<void>;
  /** The work could not be done: it is handed out again, to whoever receives next. @throws as `ack`. */
  nak(): Operation<void>;
  /**
   * Keeps it from being handed out again for as long as this goes on, for work that may take longer than `redeliverAfter`:
   * start it as a daemon beside the work. @throws as `ack`.
   */
  keep(): Operation<never>;
}

/** A message that nobody could process. */
export interface DeadLetter<out T> {
  /** A sentence: why it is here. */
  readonly reason: string;
  /** How often it was handed out to somebody. */
  readonly deliveries: number;
  /** Missing if what came could not be decoded. */
  readonly value?: T;
  /** What came, if it could not be decoded. */
  readonly raw?: string;
}

/** When a message is poison, and what is done with it then. */
export interface Poison<T> {
  /** After so many deliveries that nobody acknowledged. */
  readonly after: number;
  /** Takes it: stores it, or sends it to another queue. Only once this has succeeded is it taken off the queue. */
  readonly handle: Handler<[letter: DeadLetter<T>]>;
}

export interface WorkQueueOptions<T> {
  /** Most messages stored, those handed out included: `send` waits while there are so many. No limit if not given. */
  readonly capacity?: number | undefined;
  /** Most deliveries of one receiver that are not settled: `receive` waits while there are so many. 64 if not given. */
  readonly maxInFlight?: number | undefined;
  /** Milliseconds after which what was handed out and not settled is handed out again. 30 000 if not given. */
  readonly redeliverAfter?: number | undefined;
  /** Without it a message that fails is handed out again for ever. None is ever dropped. */
  readonly poison?: Poison<T> | undefined;
}

/**
 * Values on their way from whoever sends to whoever does the work: the one shape in memory and over brokers. A program
 * written for it moves from one process to many by another `…WorkQueue(…)`, and nothing else.
 */
export interface WorkQueue<T> {
  /** Opens an end to send into. `send` comes back once the message is stored. Closing it does not end the queue. */
  openSender(): Operation<ObjectSendStream<T>>;
  /**
   * Opens an end to receive from; each message goes to one of all the receivers. Closing it gives back what it handed
   * out and was not settled.
   */
  openReceiver(): Operation<ObjectReceiveStream<Delivery<T>>>;
  /** Removes the queue with everything in it. Close its ends before: a receiver would make it anew. */
  delete(): Operation<void>;
}

/** How often in `redeliverAfter` a broker is told that the work goes on: so often that one word lost does no harm. */
export const wordsInTime = 3;

/** Milliseconds that giving a message back is tried. What cannot be given back is handed out again when its time is over. */
export const longestFarewell = 1_000;

/** The options with their defaults. */
export interface WorkQueueLimits {
  readonly capacity: number;
  readonly maxInFlight: number;
  readonly redeliverAfter: number;
}

/** Longest delay that hosts keep, in milliseconds. */
const longestDelay = 2_147_483_647;

/** Fills in and checks. @throws UsageError. */
export function checkLimits<T>(options: WorkQueueOptions<T>): WorkQueueLimits {
  const { capacity = Infinity, maxInFlight = 64, redeliverAfter = 30_000, poison } = options;
  checkCount("capacity", capacity);
  checkCount("maxInFlight", maxInFlight);
  if (poison !== undefined) checkCount("poison.after", poison.after);
  if (!(redeliverAfter >= 1 && redeliverAfter <= longestDelay)) {
    throw new UsageError(
      `redeliverAfter is ${String(redeliverAfter)}. Give milliseconds, from 1 to ${String(longestDelay)}.`,
    );
  }
  return { capacity, maxInFlight, redeliverAfter };
}

function checkCount(name: string, count: number): void {
  if (count === Infinity || (Number.isInteger(count) && count >= 1)) return;
  throw new UsageError(`${name} is ${String(count)}. Give a whole number, 1 or more.`);
}
