/** A queue behind the interfaces of streams: what somebody writes who has a queue and needs a stream. */
import {
  BrokenResourceError,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  type ObjectReceiveStream,
  type ObjectSendStream,
  type Operation,
  perform,
  Queue,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";

/** One side of the stream: whether it is closed, and who waits on it. */
class Side {
  isClosed = false;
  readonly waiting = new Set<CancelScope>();

  /** Performs the work; undefined if a close on either side made it stop. */
  *wait<T>(work: Operation<T>): Coroutine<T | undefined> {
    const scope = new CancelScope();
    this.waiting.add(scope);
    try {
      return yield* scope.run(work);
    } finally {
      this.waiting.delete(scope);
    }
  }

  wake(): void {
    for (const scope of this.waiting) scope.cancel("the stream was closed");
  }
}

abstract class End {
  protected readonly queue: Queue<number>;
  protected readonly mine: Side;
  protected readonly other: Side;

  constructor(queue: Queue<number>, mine: Side, other: Side) {
    this.queue = queue;
    this.mine = mine;
    this.other = other;
  }

  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  protected assertOpen(): void {
    if (this.mine.isClosed) throw new ClosedResourceError();
  }

  /** Takes effect before the first operation: cancelled or not. */
  private *doClose(): Coroutine<void> {
    this.mine.isClosed = true;
    this.mine.wake();
    this.other.wake();
    yield* checkpointIfCancelled();
  }
}

class SendEnd extends End implements ObjectSendStream<number> {
  send(item: number): Operation<void> {
    return perform(this, this.doSend, item);
  }

  private *doSend(item: number): Coroutine<void> {
    this.assertOpen();
    if (this.other.isClosed) throw new BrokenResourceError();
    if ((yield* this.mine.wait(perform(this, this.put, item))) === true) return;
    this.assertOpen();
    throw new BrokenResourceError();
  }

  /** A value, which tells a put from one that a close has stopped. */
  private *put(item: number): Coroutine<true> {
    yield* this.queue.put(item);
    return true;
  }
}
class ReceiveEnd extends End implements ObjectReceiveStream<number> {
  receive(): Operation<number> {
    return perform(this, this.doReceive);
  }

  next(): Operation<IteratorResult<number, undefined>> {
    return perform(this, this.doNext);
  }

  return(): Operation<IteratorReturnResult<undefined>> {
    return perform(this, this.doReturn);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private *doReceive(): Coroutine<number> {
    this.assertOpen();
    if (this.other.isClosed && this.queue.size === 0) throw new EndOfStream();
    const item = yield* this.mine.wait(this.queue.get());
    if (item !== undefined) return item;
    this.assertOpen();
    throw new EndOfStream();
  }

  private *doNext(): Coroutine<IteratorResult<number, undefined>> {
    try {
      return { done: false, value: yield* this.receive() };
    } catch (error) {
      if (error instanceof EndOfStream) return { done: true, value: undefined };
      throw error;
    }
  }

  private *doReturn(): Coroutine<IteratorReturnResult<undefined>> {
    yield* checkpointIfCancelled();
    return { done: true, value: undefined };
  }
}

/** A stream of numbers over a queue of a capacity of 1 or more. */
export function queueStream(capacity: number): [ObjectSendStream<number>, ObjectReceiveStream<number>] {
  const queue = new Queue<number>({ capacity });
  const [sending, receiving] = [new Side(), new Side()];
  return [new SendEnd(queue, sending, receiving), new ReceiveEnd(queue, receiving, sending)];
}
