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
import { closing, ReceiveStreamBase } from "@anyloop/core/lowlevel";

/** One side of the stream: whether it is closed, and who waits on it. */
class Side {
  isClosed = false;
  private readonly waiting = new Set<CancelScope>();

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

  assertOpen(): void {
    if (this.isClosed) throw new ClosedResourceError();
  }
}

function close(mine: Side, other: Side): Operation<void> {
  return closing(() => {
    mine.isClosed = true;
    mine.wake();
    other.wake();
  });
}

class SendEnd implements ObjectSendStream<number> {
  private readonly queue: Queue<number>;
  private readonly mine: Side;
  private readonly other: Side;

  constructor(queue: Queue<number>, mine: Side, other: Side) {
    this.queue = queue;
    this.mine = mine;
    this.other = other;
  }

  send(item: number): Operation<void> {
    return perform(this, this.doSend, item);
  }

  close(): Operation<void> {
    return close(this.mine, this.other);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doSend(item: number): Coroutine<void> {
    this.mine.assertOpen();
    if (this.other.isClosed) throw new BrokenResourceError();
    if ((yield* this.mine.wait(perform(this, this.put, item))) === true) return;
    this.mine.assertOpen();
    throw new BrokenResourceError();
  }

  /** A value, which tells a put from one that a close has stopped. */
  private *put(item: number): Coroutine<true> {
    yield* this.queue.put(item);
    return true;
  }
}

class ReceiveEnd extends ReceiveStreamBase<number> {
  private readonly queue: Queue<number>;
  private readonly mine: Side;
  private readonly other: Side;

  constructor(queue: Queue<number>, mine: Side, other: Side) {
    super();
    this.queue = queue;
    this.mine = mine;
    this.other = other;
  }

  receive(): Operation<number> {
    return perform(this, this.doReceive);
  }

  close(): Operation<void> {
    return close(this.mine, this.other);
  }

  private *doReceive(): Coroutine<number> {
    this.mine.assertOpen();
    if (this.other.isClosed && this.queue.size === 0) throw new EndOfStream();
    const item = yield* this.mine.wait(this.queue.get());
    if (item !== undefined) return item;
    this.mine.assertOpen();
    throw new EndOfStream();
  }
}

/** A stream of numbers over a queue of a capacity of 1 or more. */
export function queueStream(capacity: number): [ObjectSendStream<number>, ObjectReceiveStream<number>] {
  const queue = new Queue<number>({ capacity });
  const [sending, receiving] = [new Side(), new Side()];
  return [new SendEnd(queue, sending, receiving), new ReceiveEnd(queue, receiving, sending)];
}
