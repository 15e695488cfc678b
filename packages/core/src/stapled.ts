/** Two one-way streams as one two-way stream. */
import {
  type ByteReceiveStream,
  type ByteSendStream,
  type ByteStream,
  ReceiveStreamBase,
} from "./streams.ts";
import type { ObjectReceiveStream, ObjectSendStream, ObjectStream } from "./streams.ts";
import { operation } from "./operation.ts";
import type { Operation } from "./types.ts";

interface Closeable {
  close(): Operation<void>;
}

/** Closes both, the second also if the first fails. */
const closeBoth = operation(function* closeBoth(first: Closeable, second: Closeable) {
  try {
    yield* first.close();
  } finally {
    yield* second.close();
  }
});

class StapledObjectStream<T> extends ReceiveStreamBase<T> implements ObjectStream<T> {
  private readonly sending: ObjectSendStream<T>;
  private readonly receiving: ObjectReceiveStream<T>;

  constructor(sending: ObjectSendStream<T>, receiving: ObjectReceiveStream<T>) {
    super();
    this.sending = sending;
    this.receiving = receiving;
  }

  send(item: T): Operation<void> {
    return this.sending.send(item);
  }

  sendEof(): Operation<void> {
    return this.sending.close();
  }

  receive(): Operation<T> {
    return this.receiving.receive();
  }

  close(): Operation<void> {
    return closeBoth(this.sending, this.receiving);
  }
}

class StapledByteStream implements ByteStream {
  private readonly sending: ByteSendStream;
  private readonly receiving: ByteReceiveStream;

  constructor(sending: ByteSendStream, receiving: ByteReceiveStream) {
    this.sending = sending;
    this.receiving = receiving;
  }

  send(data: Uint8Array): Operation<void> {
    return this.sending.send(data);
  }

  sendEof(): Operation<void> {
    return this.sending.close();
  }

  receive(maxBytes?: number): Operation<Uint8Array> {
    return this.receiving.receive(maxBytes);
  }

  close(): Operation<void> {
    return closeBoth(this.sending, this.receiving);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }
}

/**
 * Staples a sending and a receiving end into one stream; closing it closes both, `sendEof` the sending one. anyio's
 * StapledObjectStream and StapledByteStream.
 *
 * ```ts
 * const [send, receive] = memoryStream<number>(1);
 * const loop = stapled(send, receive);
 * await loop.send(1);
 * console.log(await loop.receive()); // 1
 * ```
 */
export function stapled<T>(send: ObjectSendStream<T>, receive: ObjectReceiveStream<T>): ObjectStream<T>;
export function stapled(send: ByteSendStream, receive: ByteReceiveStream): ByteStream;
export function stapled(
  send: ObjectSendStream<unknown> | ByteSendStream,
  receive: ObjectReceiveStream<unknown> | ByteReceiveStream,
): ObjectStream<unknown> | ByteStream {
  return Symbol.asyncIterator in receive
    ? new StapledObjectStream(send, receive)
    : new StapledByteStream(send, receive);
}
