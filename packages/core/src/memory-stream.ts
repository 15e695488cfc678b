/**
 * A stream of objects in memory: handed from task to task, directly or through a buffer. anyio's memory object stream.
 *
 * Invariant: an item is in the sender's hands, in the buffer or in the receiver's, never in two of them and never in
 * none. While a receiver waits nothing is buffered; while a sender waits the buffer is full.
 */
import { Deque } from "./deque.ts";
import { BrokenResourceError, ClosedResourceError, EndOfStream, WouldBlock } from "./errors.ts";
import { checkCapacity, checkItem } from "./item.ts";
import type { Strand } from "./strand.ts";
import { closing, type ObjectReceiveStream, type ObjectSendStream, ReceiveStreamBase } from "./streams.ts";
import type { Operation } from "./types.ts";
import { Queued, WaitQueue } from "./wait-queue.ts";

export interface MemoryStreamStatistics {
  readonly currentBufferUsed: number;
  readonly maxBufferSize: number;
  /** Most items that were ever buffered at once. */
  readonly peakBufferUsed: number;
  readonly openSendStreams: number;
  readonly openReceiveStreams: number;
  readonly tasksWaitingSend: number;
  readonly tasksWaitingReceive: number;
}

export interface MemorySendStream<T> extends ObjectSendStream<T> {
  /** @throws WouldBlock if nobody waits for it and the buffer is full; otherwise as `send`. */
  sendNowait(item: T): void;
  /** Another handle; the side closes when its last handle does. @throws ClosedResourceError. */
  clone(): MemorySendStream<T>;
  statistics(): MemoryStreamStatistics;
}

export interface MemoryReceiveStream<T> extends ObjectReceiveStream<T> {
  /** @throws WouldBlock if there is nothing; otherwise as `receive`. */
  receiveNowait(): T;
  /** Another handle; each item goes to one of them. @throws ClosedResourceError. */
  clone(): MemoryReceiveStream<T>;
  statistics(): MemoryStreamStatistics;
}

/**
 * Makes a stream and gives its two ends. With capacity 0 (the default) `send` waits until a receiver has the item.
 *
 * ```ts
 * const [send, receive] = memoryStream<number>();
 * await taskGroup(function* (group) {
 *   group.startSoon(function* () {
 *     yield* send.send(1);
 *     yield* send.close();
 *   });
 *   yield* forEach(receive, function* (item) {
 *     console.log(item); // 1
 *   });
 * });
 * ```
 *
 * @throws UsageError for a capacity that cannot be.
 */
export function memoryStream<T>(capacity = 0): [send: MemorySendStream<T>, receive: MemoryReceiveStream<T>] {
  const channel = new Channel<T>(checkCapacity(capacity));
  return [new SendEnd(channel), new ReceiveEnd(channel)];
}

class Channel<T> {
  readonly capacity: number;
  readonly buffer = new Deque<T>();
  readonly senders = new WaitQueue<Send<T>>();
  readonly receivers = new WaitQueue<Receive<T>>();
  openSend = 0;
  openReceive = 0;
  peak = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Hands an item over or buffers it; false if there is no room. */
  offer(item: T): boolean {
    const receiver = this.receivers.shift();
    if (receiver !== undefined) {
      receiver.resume(item);
      return true;
    }
    if (this.buffer.size >= this.capacity) return false;
    this.buffer.push(item);
    if (this.buffer.size > this.peak) this.peak = this.buffer.size;
    return true;
  }

  get hasItem(): boolean {
    return this.buffer.size > 0 || this.senders.size > 0;
  }

  /** Takes the next item; only if `hasItem`. */
  take(): T {
    const sender = this.senders.shift();
    if (this.buffer.size === 0) return (sender as Send<T>).handOver();
    const item = this.buffer.shift() as T;
    if (sender !== undefined) this.buffer.push(sender.handOver());
    return item;
  }

  closeSender(end: SendEnd<T>): void {
    this.openSend--;
    this.senders.failWhere(
      (sender) => sender.end === end,
      () => new ClosedResourceError(),
    );
    if (this.openSend === 0) this.receivers.failAll(() => new EndOfStream());
  }

  closeReceiver(end: ReceiveEnd<T>): void {
    this.openReceive--;
    this.receivers.failWhere(
      (receiver) => receiver.end === end,
      () => new ClosedResourceError(),
    );
    if (this.openReceive === 0) this.senders.failAll(nobodyReceives);
  }

  statistics(): MemoryStreamStatistics {
    return {
      currentBufferUsed: this.buffer.size,
      maxBufferSize: this.capacity,
      peakBufferUsed: this.peak,
      openSendStreams: this.openSend,
      openReceiveStreams: this.openReceive,
      tasksWaitingSend: this.senders.size,
      tasksWaitingReceive: this.receivers.size,
    };
  }
}

function nobodyReceives(): BrokenResourceError {
  return new BrokenResourceError("Every receiving end of the stream was closed: nobody will take the item.");
}

class SendEnd<T> implements MemorySendStream<T> {
  readonly channel: Channel<T>;
  isClosed = false;

  constructor(channel: Channel<T>) {
    this.channel = channel;
    channel.openSend++;
  }

  send(item: T): Operation<void> {
    checkItem(item);
    return new Send(this, item);
  }

  sendNowait(item: T): void {
    checkItem(item);
    const problem = this.problem();
    if (problem !== undefined) throw problem;
    if (!this.channel.offer(item)) throw new WouldBlock("Nobody waits for an item and the buffer is full.");
  }

  /** Why nothing can be sent here. */
  problem(): Error | undefined {
    if (this.isClosed) return new ClosedResourceError();
    return this.channel.openReceive === 0 ? nobodyReceives() : undefined;
  }

  clone(): SendEnd<T> {
    if (this.isClosed) throw new ClosedResourceError();
    return new SendEnd(this.channel);
  }

  close(): Operation<void> {
    return closing(() => {
      if (this.isClosed) return;
      this.isClosed = true;
      this.channel.closeSender(this);
    });
  }

  statistics(): MemoryStreamStatistics {
    return this.channel.statistics();
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }
}

class ReceiveEnd<T> extends ReceiveStreamBase<T> implements MemoryReceiveStream<T> {
  readonly channel: Channel<T>;
  isClosed = false;

  constructor(channel: Channel<T>) {
    super();
    this.channel = channel;
    channel.openReceive++;
  }

  receive(): Operation<T> {
    return new Receive(this);
  }

  receiveNowait(): T {
    const { channel } = this;
    if (!this.isClosed && channel.hasItem) return channel.take();
    throw this.problem() ?? new WouldBlock("There is no item to receive.");
  }

  /** Why nothing can be received here, if there is nothing. */
  problem(): Error | undefined {
    if (this.isClosed) return new ClosedResourceError();
    return this.channel.openSend === 0 ? new EndOfStream() : undefined;
  }

  clone(): ReceiveEnd<T> {
    if (this.isClosed) throw new ClosedResourceError();
    return new ReceiveEnd(this.channel);
  }

  close(): Operation<void> {
    return closing(() => {
      if (this.isClosed) return;
      this.isClosed = true;
      this.channel.closeReceiver(this);
    });
  }

  statistics(): MemoryStreamStatistics {
    return this.channel.statistics();
  }
}

class Send<T> extends Queued<void> {
  get label(): string {
    return "somebody to receive";
  }

  readonly end: SendEnd<T>;
  private readonly item: T;

  constructor(end: SendEnd<T>, item: T) {
    super(end.channel.senders);
    this.end = end;
    this.item = item;
  }

  handOver(): T {
    this.resume(undefined);
    return this.item;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const problem = this.end.problem();
    if (problem !== undefined) return this.refuse(strand, problem);
    return this.end.channel.offer(this.item) ? this.complete(strand, undefined) : this.queueUp(strand);
  }
}

class Receive<T> extends Queued<T> {
  get label(): string {
    return "an item of a memory stream";
  }

  readonly end: ReceiveEnd<T>;

  constructor(end: ReceiveEnd<T>) {
    super(end.channel.receivers);
    this.end = end;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { channel, isClosed } = this.end;
    if (!isClosed && channel.hasItem) return this.complete(strand, channel.take());
    const problem = this.end.problem();
    return problem === undefined ? this.queueUp(strand) : this.refuse(strand, problem);
  }
}
