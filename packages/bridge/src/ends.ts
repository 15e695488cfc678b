/**
 * The two ends of a universal queue as streams, for our side of a bridge; the foreign side uses the queue itself.
 *
 * Invariant: what an end is told (`close`, `fail`, `abandon`) takes effect in the same stack, cancelled or not.
 */
import type { ObjectReceiveStream, ObjectSendStream, Operation } from "@anyloop/core";
import { ClosedResourceError } from "@anyloop/core";
import { closing, ReceiveStreamBase } from "@anyloop/core/lowlevel";
import type { UniversalQueue } from "./universal-queue.ts";

/** A sending end that can also tell the other side that ours has failed. */
export interface BridgeSendStream<in T> extends ObjectSendStream<T> {
  /** Closes it with an error, which the other side is told. From any callback; once it is closed, does nothing. */
  fail(error: unknown): void;
}

/** A receiving end that can also tell the other side why nothing more is wanted. */
export interface BridgeReceiveStream<out T> extends ObjectReceiveStream<T> {
  /** Closes it for a reason, which the other side is told. From any callback; once it is closed, does nothing. */
  abandon(reason: unknown): void;
}

class SendingEnd<T> implements BridgeSendStream<T> {
  private readonly queue: UniversalQueue<T>;

  constructor(queue: UniversalQueue<T>) {
    this.queue = queue;
  }

  send(item: T): Operation<void> {
    return this.queue.put(item);
  }

  fail(error: unknown): void {
    this.queue.fail(error);
  }

  close(): Operation<void> {
    return closing(() => this.queue.end());
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }
}

class ReceivingEnd<T> extends ReceiveStreamBase<T> implements BridgeReceiveStream<T> {
  private readonly queue: UniversalQueue<T>;

  constructor(queue: UniversalQueue<T>) {
    super();
    this.queue = queue;
  }

  receive(): Operation<T> {
    return this.queue.get();
  }

  abandon(reason: unknown): void {
    this.queue.close(reason);
  }

  close(): Operation<void> {
    return closing(() => this.queue.close(new ClosedResourceError("The receiving end was closed.")));
  }
}

/** The end of a queue that our tasks send into. */
export function sendingEnd<T>(queue: UniversalQueue<T>): BridgeSendStream<T> {
  return new SendingEnd(queue);
}

/** The end of a queue that our tasks receive from. */
export function receivingEnd<T>(queue: UniversalQueue<T>): BridgeReceiveStream<T> {
  return new ReceivingEnd(queue);
}
