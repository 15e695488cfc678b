/**
 * Reading bytes in the pieces a protocol has, not in those that come.
 *
 * Invariant: what was received and not yet given out stays in the buffer, also when a read is cancelled or fails: the
 * next read goes on where the last one was.
 */
import { ClosedResourceError, DelimiterNotFound, EndOfStream, IncompleteRead, UsageError } from "./errors.ts";
import { perform } from "./operation.ts";
import { performShort } from "./short-call.ts";
import type { ByteReceiveStream, ByteStream } from "./streams.ts";
import { checkpointIfCancelled } from "./suspend.ts";
import type { Coroutine, Operation } from "./types.ts";

const empty = /* @__PURE__ */ new Uint8Array(0);
const encoder = /* @__PURE__ */ new TextEncoder();
/** A zero width no-break space at the beginning of a line is text, not a mark of the encoding. */
const decoder = /* @__PURE__ */ new TextDecoder("utf-8", { ignoreBOM: true });
const newline = encoder.encode("\n");
const carriageReturn = 13;
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
  private bytes: Uint8Array = empty;
  private isClosed = false;

  constructor(source: ByteReceiveStream | ByteStream) {
    this.source = source;
  }

  /** What was received and not given out yet. */
  get buffer(): Uint8Array {
    return this.bytes;
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
    if (this.bytes.length === 0) this.bytes = yield* this.source.receive(maxBytes);
    else yield* checkpointIfCancelled();
    return this.take(Math.min(maxBytes, this.bytes.length));
  }

  /** The short ways: what has come already, or undefined if a read has to wait, or to fail. */
  private takeSome(maxBytes: number): Uint8Array | undefined {
    return this.bytes.length === 0 || this.isClosed
      ? undefined
      : this.take(Math.min(maxBytes, this.bytes.length));
  }

  private takeExactly(count: number): Uint8Array | undefined {
    return this.bytes.length < count || this.isClosed ? undefined : this.take(count);
  }

  private takeUntil(delimiter: Uint8Array, maxBytes: number): Uint8Array | undefined {
    const at = this.isClosed ? -1 : indexOf(this.bytes, delimiter, 0);
    return at < 0 || at > maxBytes ? undefined : this.takeFound(at, delimiter);
  }

  private takeLine(maxBytes: number): string | undefined {
    const line = this.takeUntil(newline, maxBytes);
    return line === undefined ? undefined : decoder.decode(withoutReturn(line));
  }

  private *doReceiveExactly(count: number): Coroutine<Uint8Array> {
    this.assertOpen();
    yield* checkpointIfCancelled();
    while (this.bytes.length < count) {
      if (!(yield* this.fill(count - this.bytes.length))) {
        throw new IncompleteRead(
          `The stream ended after ${this.bytes.length} of the ${String(count)} bytes asked for.`,
        );
      }
    }
    return this.take(count);
  }

  private *doReceiveUntil(delimiter: Uint8Array, maxBytes: number): Coroutine<Uint8Array> {
    this.assertOpen();
    yield* checkpointIfCancelled();
    for (let searched = 0; ;) {
      const at = indexOf(this.bytes, delimiter, searched);
      if (at > maxBytes || (at < 0 && this.bytes.length >= maxBytes + delimiter.length)) {
        throw new DelimiterNotFound(maxBytes);
      }
      if (at >= 0) return this.takeFound(at, delimiter);
      // The delimiter may have begun with the last bytes there are.
      searched = Math.max(0, this.bytes.length - delimiter.length + 1);
      if (!(yield* this.fill(defaultMaxBytes)))
        throw new IncompleteRead("The stream ended before the delimiter came.");
    }
  }

  private *doReceiveLine(maxBytes: number): Coroutine<string> {
    let line: Uint8Array;
    try {
      // One more for a carriage return, which is part of the end.
      line = withoutReturn(yield* this.doReceiveUntil(newline, maxBytes + 1));
    } catch (error) {
      if (!(error instanceof IncompleteRead)) throw error;
      if (this.bytes.length === 0) throw new EndOfStream();
      line = this.take(this.bytes.length);
    }
    if (line.length > maxBytes) throw new DelimiterNotFound(maxBytes);
    return decoder.decode(line);
  }

  private *doClose(): Coroutine<void> {
    this.isClosed = true;
    yield* this.source.close();
  }

  /** Receives more; false at the end of the stream. */
  private *fill(wanted: number): Coroutine<boolean> {
    let more: Uint8Array;
    try {
      more = yield* this.source.receive(Math.max(wanted, defaultMaxBytes));
    } catch (error) {
      if (error instanceof EndOfStream) return false;
      throw error;
    }
    if (this.bytes.length === 0) {
      this.bytes = more;
      return true;
    }
    const joined = new Uint8Array(this.bytes.length + more.length);
    joined.set(this.bytes);
    joined.set(more, this.bytes.length);
    this.bytes = joined;
    return true;
  }

  private take(count: number): Uint8Array {
    const taken = this.bytes.subarray(0, count);
    this.drop(count);
    return taken;
  }

  /** What is before the delimiter; takes both. */
  private takeFound(at: number, delimiter: Uint8Array): Uint8Array {
    const found = this.bytes.subarray(0, at);
    this.drop(at + delimiter.length);
    return found;
  }

  private drop(count: number): void {
    this.bytes = count === this.bytes.length ? empty : this.bytes.subarray(count);
  }

  private assertOpen(): void {
    if (this.isClosed) throw new ClosedResourceError();
  }
}

function withoutReturn(line: Uint8Array): Uint8Array {
  return line.length > 0 && line[line.length - 1] === carriageReturn ? line.subarray(0, -1) : line;
}

function indexOf(bytes: Uint8Array, delimiter: Uint8Array, from: number): number {
  if (delimiter.length === 1) return bytes.indexOf(delimiter[0] as number, from);
  for (
    let at = bytes.indexOf(delimiter[0] as number, from);
    at >= 0;
    at = bytes.indexOf(delimiter[0] as number, at + 1)
  ) {
    if (at + delimiter.length > bytes.length) return -1;
    if (delimiter.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}
