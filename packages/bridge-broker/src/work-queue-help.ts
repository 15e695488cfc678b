/** What the rules of work queues are said with. They know nothing but `WorkQueue`, and no test runner. */
import assert from "node:assert/strict";
import {
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  type ObjectReceiveStream,
  type ObjectSendStream,
  type Operation,
  operation,
  race,
} from "@anyloop/core";
import type { DeadLetter, Delivery, WorkQueue, WorkQueueOptions } from "./work-queue.ts";

/** The queues that the rules are tried on. */
export interface WorkQueueUnderTest {
  /** A queue that nobody has used yet. */
  make(options: WorkQueueOptions<number>): WorkQueue<number>;
  /** Lets so many milliseconds of the queue's time pass. */
  pass(milliseconds: number): Operation<void>;
}

export type Sender = ObjectSendStream<number>;
export type Receiver = ObjectReceiveStream<Delivery<number>>;

/** What every work queue keeps to. */
export interface Rule {
  readonly rule: string;
  /** Of the queue; `letters` are what its handler of poison was given. */
  readonly options?: WorkQueueOptions<number> | ((letters: DeadLetter<number>[]) => WorkQueueOptions<number>);
  body(ends: Ends): Coroutine<void>;
}

/** What a rule is tried with. */
export interface Ends {
  readonly queue: WorkQueue<number>;
  readonly sender: Sender;
  readonly receiver: Receiver;
  readonly letters: readonly DeadLetter<number>[];
  readonly pass: WorkQueueUnderTest["pass"];
}

/** Long enough for a broker to hand something out that it should not. */
export const aWhile = 60;

export const sendAll: (sender: Sender, values: Iterable<number>) => Operation<void> = operation(
  function* sendAll(sender: Sender, values: Iterable<number>): Coroutine<void> {
    for (const value of values) yield* sender.send(value);
  },
);

export const receiveAndAck: (receiver: Receiver, count: number) => Operation<number[]> = operation(
  function* receiveAndAck(receiver: Receiver, count: number): Coroutine<number[]> {
    const values: number[] = [];
    while (values.length < count) {
      const delivery = yield* receiver.receive();
      values.push(delivery.value);
      yield* delivery.ack();
    }
    return values;
  },
);

/** Whether something happens within so much of the queue's time. */
export const happensWithin: (
  pass: WorkQueueUnderTest["pass"],
  milliseconds: number,
  work: Operation<unknown>,
) => Operation<boolean> = operation(function* happensWithin(
  pass: WorkQueueUnderTest["pass"],
  milliseconds: number,
  work: Operation<unknown>,
): Coroutine<boolean> {
  return yield* race([
    function* () {
      yield* work;
      return true;
    },
    function* () {
      yield* pass(milliseconds);
      return false;
    },
  ]);
});

export function* isEmpty({ pass, receiver }: Ends): Coroutine<boolean> {
  return !(yield* happensWithin(pass, aWhile, receiver.receive()));
}

/** Performs it in a scope that is cancelled already. */
export function* cancelled(work: Operation<unknown>): Coroutine<void> {
  const scope = new CancelScope();
  scope.cancel();
  yield* scope.run(work);
}

export function* thrownBy(work: Operation<unknown>): Coroutine<unknown> {
  try {
    yield* work;
  } catch (error) {
    return error;
  }
  return assert.fail("Nothing was thrown.");
}

/** Whether it is told that this end is closed. */
export function* isRefused(work: Operation<unknown>): Coroutine<boolean> {
  try {
    yield* work;
  } catch (error) {
    return error instanceof ClosedResourceError;
  }
  return false;
}

export const upTo = (count: number): number[] => [...Array(count).keys()];
export const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
