/** A pair of byte streams in memory that hold some pieces: what the suite of byte streams is tried on. */
import {
  type ByteStream,
  ClosedResourceError,
  type Coroutine,
  memoryStream,
  type MemoryReceiveStream,
  type MemorySendStream,
  type Operation,
  perform,
  ResourceGuard,
  UsageError,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";

export class MemoryByteStream implements ByteStream {
  private readonly sending: MemorySendStream<Uint8Array>;
  private readonly receiving: MemoryReceiveStream<Uint8Array>;
  private readonly sendGuard = new ResourceGuard("sending to");
  private readonly receiveGuard = new ResourceGuard("receiving from");
  private rest = new Uint8Array(0);
  private isClosed = false;

  constructor(sending: MemorySendStream<Uint8Array>, receiving: MemoryReceiveStream<Uint8Array>) {
    this.sending = sending;
    this.receiving = receiving;
  }

  receive(maxBytes = 65_536): Operation<Uint8Array> {
    if (!Number.isInteger(maxBytes) || maxBytes < 1) throw new UsageError(`maxBytes is ${String(maxBytes)}.`);
    return perform(this, this.doReceive, maxBytes);
  }

  send(data: Uint8Array): Operation<void> {
    return perform(this, this.doSend, data);
  }

  sendEof(): Operation<void> {
    return perform(this, this.doSendEof);
  }

  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doReceive(maxBytes: number): Coroutine<Uint8Array> {
    if (this.isClosed) throw new ClosedResourceError();
    using _receiving = this.receiveGuard.enter();
    if (this.rest.length > 0) yield* checkpointIfCancelled();
    else this.rest = yield* this.receivePiece();
    const piece = this.rest.slice(0, maxBytes);
    this.rest = this.rest.slice(maxBytes);
    return piece;
  }

  protected *receivePiece(): Coroutine<Uint8Array<ArrayBuffer>> {
    return (yield* this.receiving.receive()).slice();
  }

  private *doSend(data: Uint8Array): Coroutine<void> {
    if (this.isClosed) throw new ClosedResourceError();
    using _sending = this.sendGuard.enter();
    if (data.length === 0) yield* checkpointIfCancelled();
    else yield* this.sending.send(data.slice());
  }

  private *doSendEof(): Coroutine<void> {
    if (this.isClosed) throw new ClosedResourceError();
    yield* this.sending.close();
  }

  private *doClose(): Coroutine<void> {
    this.isClosed = true;
    try {
      yield* this.sending.close();
    } finally {
      yield* this.receiving.close();
    }
  }
}

/** Two ends; each direction holds so many pieces. */
export function bytePair(capacity: number): [MemoryByteStream, MemoryByteStream] {
  const [toRight, fromLeft] = memoryStream<Uint8Array>(capacity);
  const [toLeft, fromRight] = memoryStream<Uint8Array>(capacity);
  return [new MemoryByteStream(toRight, fromRight), new MemoryByteStream(toLeft, fromLeft)];
}
