/**
 * Reading bytes in the pieces a protocol has, not in those that come.
 *
 * Invariant: what was received and not yet given out stays in the buffer, also when a read is cancelled or fails: the
 * next read goes on where the last one was.
 */
import { ByteBuffer } from "./byte-buffer.ts";
import {
  ClosedResourceError,
  DelimiterNotFound,
  EndOfStream,
  IncompleteRead,
  isEndOfStream,
  UsageError,
} from "./errors.ts";
import { perform } from "./operation.ts";
import { performShort } from "./short-call.ts";
import type { ByteReceiveStream, ByteStream } from "./streams.ts";
import { checkpointIfCancelled } from "./suspend.ts";
import type { Coroutine, Operation } from "./types.ts";

const encoder = /* @__PURE__ */ new TextEncoder();
/** Default of `receive`, and the most that one line may have. */
const defaultMaxBytes = 65_536;

function checkCount(count: number, what: string, least: number): void {
  if (!Number.isInteger(count) || count < least) {
    throw new UsageError(`${what} is ${String(count)}. Give a whole number, ${String(least)} or more.`);
  }
}

/** From anyio. Sends if what it wraps can. */
export class BufferedByteStream implements ByteStream {
  private readonly source: ByteReceiveStream | ByteStream;
  private readonly received = new ByteBuffer();
  private isClosed = false;

  constructor(source: ByteReceiveStream | ByteStream) {
    this.source = source;
  }

  /** What was received and not given out yet. */
  get buffer(): Uint8Array {
    return this.received.view;
  }

  /** At least one byte and at most `maxBytes`, from the buffer first. @throws EndOfStream, UsageError. */
  receive(maxBytes: number = defaultMaxBytes): Operation<Uint8Array> {
    checkCount(maxBytes, "maxBytes", 1);
    return performShort(this, this.takeSome, this.doReceive, maxBytes);
  }

  /** Exactly so many bytes. @throws IncompleteRead if the stream ends before; what had come stays in the buffer. */
  receiveExactly(count: number): Operation<Uint8Array> {
    checkCount(count, "The number of bytes", 0);
    return performShort(this, this.takeExactly, this.doReceiveExactly, count);
  }

  /**
   * Everything up to the delimiter, which is taken as well but not given.
   * @throws DelimiterNotFound within `maxBytes` bytes; IncompleteRead if the stream ends before.
   */
  receiveUntil(delimiter: Uint8Array | string, maxBytes: number = defaultMaxBytes): Operation<Uint8Array> {
    const bytes = typeof delimiter === "string" ? encoder.encode(delimiter) : delimiter;
    if (bytes.length === 0) throw new UsageError("The delimiter is empty. Give at least one byte.");
    checkCount(maxBytes, "maxBytes", 1);
    return performShort(this, this.takeUntil, this.doReceiveUntil, bytes, maxBytes);
  }

  /**
   * The next line as UTF-8 text, without its end (`\n` or `\r\n`). A last line needs none.
   * @throws EndOfStream after the last line; DelimiterNotFound for a line of more than `maxBytes` bytes.
   */
  receiveLine(maxBytes: number = defaultMaxBytes): Operation<string> {
    checkCount(maxBytes, "maxBytes", 1);
    return performShort(this, this.takeLine, this.doReceiveLine, maxBytes);
  }

  /** @throws UsageError if what it wraps only receives. */
  send(data: Uint8Array): Operation<void> {
    return this.sending().send(data);
  }

  /** @throws UsageError if what it wraps only receives. */
  sendEof(): Operation<void> {
    return this.sending().sendEof();
  }

  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private sending(): ByteStream {
    if ("send" in this.source) return this.source;
    throw new UsageError("This BufferedByteStream wraps a stream that only receives.");
  }

  private *doReceive(maxBytes: number): Coroutine<Uint8Array> {
    this.assertOpen();
    if (this.received.length === 0) this.received.append(yield* this.source.receive(maxBytes));
    else yield* checkpointIfCancelled();
    return this.received.take(Math.min(maxBytes, this.received.length));
  }

  /** The short ways: what has come already, or undefined if a read has to wait, or to fail. */
  private takeSome(maxBytes: number): Uint8Array | undefined {
    const { received, isClosed } = this;
    return received.length === 0 || isClosed ? undefined : received.take(Math.min(maxBytes, received.length));
  }

  private takeExactly(count: number): Uint8Array | undefined {
    return this.received.length < count || this.isClosed ? undefined : this.received.take(count);
  }

  private takeUntil(delimiter: Uint8Array, maxBytes: number): Uint8Array | undefined {
    const at = this.isClosed ? -1 : this.received.indexOf(delimiter, 0);
    return at < 0 || at > maxBytes ? undefined : this.takeFound(at, delimiter);
  }

  private takeLine(maxBytes: number): string | undefined {
    return this.isClosed ? undefined : this.received.takeLine(maxBytes);
  }

  private *doReceiveExactly(count: number): Coroutine<Uint8Array> {
    this.assertOpen();
    yield* checkpointIfCancelled();
    const { received } = this;
    while (received.length < count) {
      if (!(yield* this.fill(count - received.length))) {
        throw new IncompleteRead(
          `The stream ended after ${received.length} of the ${String(count)} bytes asked for.`,
        );
      }
    }
    return received.take(count);
  }

  private *doReceiveUntil(delimiter: Uint8Array, maxBytes: number): Coroutine<Uint8Array> {
    this.assertOpen();
    yield* checkpointIfCancelled();
    const { received } = this;
    for (let searched = 0; ;) {
      const at = received.indexOf(delimiter, searched);
      if (at > maxBytes || (at < 0 && received.length >= maxBytes + delimiter.length)) {
        throw new DelimiterNotFound(maxBytes);
      }
      if (at >= 0) return this.takeFound(at, delimiter);
      // The delimiter may have begun with the last bytes there are.
      searched = Math.max(0, received.length - delimiter.length + 1);
      if (!(yield* this.fill(defaultMaxBytes)))
        throw new IncompleteRead("The stream ended before the delimiter came.");
    }
  }

  private *doReceiveLine(maxBytes: number): Coroutine<string> {
    this.assertOpen();
    yield* checkpointIfCancelled();
    const { received } = this;
    for (;;) {
      const line = received.takeLine(maxBytes);
      if (line !== undefined) return line;
      // One more for a carriage return, which is part of the end.
      if (received.length > maxBytes + 1) throw new DelimiterNotFound(maxBytes);
      if (!(yield* this.fill(defaultMaxBytes))) return this.takeLastLine(maxBytes);
    }
  }

  private takeLastLine(maxBytes: number): string {
    const { received } = this;
    if (received.length === 0) throw new EndOfStream();
    if (received.length > maxBytes) throw new DelimiterNotFound(maxBytes);
    return received.takeText(received.length);
  }

  private *doClose(): Coroutine<void> {
    this.isClosed = true;
    yield* this.source.close();
  }

  /** Receives more; false at the end of the stream. */
  private *fill(wanted: number): Coroutine<boolean> {
    try {
      this.received.append(yield* this.source.receive(Math.max(wanted, defaultMaxBytes)));
      return true;
    } catch (error) {
      if (isEndOfStream(error)) return false;
      throw error;
    }
  }

  /** What is before the delimiter; takes both. */
  private takeFound(at: number, delimiter: Uint8Array): Uint8Array {
    const found = this.received.take(at);
    this.received.skip(delimiter.length);
    return found;
  }

  private assertOpen(): void {
    if (this.isClosed) throw new ClosedResourceError();
  }
}
