/**
 * The ends of pipes as byte streams, over Node's streams.
 *
 * Invariant: bytes stay in Node's buffer until a `receive` takes them in the very step in which it completes, and `send`
 * waits for room before it hands over, never after: so a cancelled operation has neither taken nor sent anything.
 */
import type { Readable, Writable } from "node:stream";
import {
  BrokenResourceError,
  type ByteReceiveStream,
  type ByteSendStream,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  type Operation,
  perform,
  ResourceGuard,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { checkBytes, checkMaxBytes, defaultMaxBytes } from "./byte-arguments.ts";
import { Change } from "./change.ts";

/** Bytes on their way from which on a `send` waits. */
const muchUnderWay = 65_536;

function broken(cause: unknown): BrokenResourceError {
  return new BrokenResourceError("The other end of the pipe is gone.", { cause });
}

/** The end of a pipe from which bytes come. */
export class PipeReceiveStream implements ByteReceiveStream {
  /** Node's own stream, for what this one does not offer. */
  readonly raw: Readable;
  private readonly guard = new ResourceGuard("receiving from");
  private readonly change = new Change();
  private isClosed = false;
  private hasEnded = false;
  private error: Error | undefined = undefined;

  /** Takes the stream over: nobody else must read from it. */
  constructor(raw: Readable) {
    this.raw = raw;
    raw.on("readable", this.change.happened);
    raw.once("end", () => {
      this.hasEnded = true;
      this.change.happened();
    });
    raw.on("error", (error: Error) => {
      this.error ??= error;
      this.change.happened();
    });
    raw.once("close", this.change.happened);
  }

  /** @throws EndOfStream, ClosedResourceError, BrokenResourceError; BusyResourceError; UsageError for `maxBytes` below 1. */
  receive(maxBytes: number = defaultMaxBytes): Operation<Uint8Array> {
    checkMaxBytes(maxBytes);
    return perform(this, this.doReceive, maxBytes);
  }

  /** Closes at once; what was not received is dropped, and the other side learns of it when it sends. */
  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doReceive(maxBytes: number): Coroutine<Uint8Array> {
    const busy = this.guard.enter();
    try {
      yield* checkpointIfCancelled();
      for (;;) {
        const bytes = this.take(maxBytes);
        if (bytes !== undefined) return bytes;
        yield* this.change.next();
      }
    } finally {
      busy[Symbol.dispose]();
    }
  }

  /** What has come, if anything has. */
  private take(maxBytes: number): Uint8Array | undefined {
    if (this.isClosed) throw new ClosedResourceError();
    const { raw } = this;
    const available = raw.readableLength;
    // Reading where there is nothing is what makes Node look for more, and tell of the end.
    const chunk = raw.read(available === 0 ? undefined : Math.min(available, maxBytes)) as Buffer | null;
    if (chunk !== null) return this.within(chunk, maxBytes);
    if (this.error !== undefined) throw broken(this.error);
    if (this.hasEnded) throw new EndOfStream();
    if (raw.destroyed) throw broken(undefined);
    return undefined;
  }

  private *doClose(): Coroutine<void> {
    this.isClosed = true;
    this.raw.destroy();
    this.change.happened();
    yield* checkpointIfCancelled();
  }

  /** Some hosts give more than they were asked for: the rest goes back. */
  private within(chunk: Buffer, maxBytes: number): Uint8Array {
    if (chunk.length <= maxBytes) return chunk;
    this.raw.unshift(chunk.subarray(maxBytes));
    return chunk.subarray(0, maxBytes);
  }
}

/** The end of a pipe into which bytes go. */
export class PipeSendStream implements ByteSendStream {
  /** Node's own stream, for what this one does not offer. */
  readonly raw: Writable;
  private readonly guard = new ResourceGuard("sending to");
  private readonly change = new Change();
  private isClosed = false;
  private error: Error | undefined = undefined;
  private errorWasTold = false;
  /** Bytes handed over that the system does not have yet. Counted here: Bun's streams do not tell. */
  private underWay = 0;

  /** Takes the stream over: nobody else must write to it. */
  constructor(raw: Writable) {
    this.raw = raw;
    raw.on("error", (error: Error) => {
      this.error ??= error;
      this.change.happened();
    });
    raw.once("finish", this.change.happened);
    raw.once("close", this.change.happened);
  }

  /**
   * Hands a copy of the bytes over; waits first while much that was sent before is still on its way.
   * @throws ClosedResourceError; BrokenResourceError once the other side is gone; BusyResourceError; UsageError for a text.
   */
  send(data: Uint8Array): Operation<void> {
    checkBytes(data);
    return perform(this, this.doSend, data);
  }

  /**
   * Waits until what was sent is on its way and ends the stream: the other side sees the end. Cancelled, it ends at once
   * and drops what is still here. @throws BrokenResourceError if something could not be sent and nobody was told yet.
   */
  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doSend(data: Uint8Array): Coroutine<void> {
    const busy = this.guard.enter();
    try {
      yield* checkpointIfCancelled();
      this.assertUsable();
      while (this.underWay >= muchUnderWay) {
        yield* this.change.next();
        this.assertUsable();
      }
      if (data.length > 0) this.handOver(data);
    } finally {
      busy[Symbol.dispose]();
    }
  }

  private handOver(data: Uint8Array): void {
    const { length } = data;
    this.underWay += length;
    // A copy: the caller may reuse its buffer while the system still reads from ours.
    this.raw.write(Buffer.from(data), (failure) => {
      // Told here before it is told as an event: nobody must take it for sent meanwhile.
      if (failure instanceof Error) this.error ??= failure;
      this.underWay -= length;
      this.change.happened();
    });
  }

  private *doClose(): Coroutine<void> {
    const { raw } = this;
    if (!this.isClosed) {
      this.isClosed = true;
      raw.end();
      this.change.happened();
    }
    try {
      yield* checkpointIfCancelled();
      while (!raw.writableFinished && !raw.destroyed && this.error === undefined) yield* this.change.next();
    } catch (error) {
      raw.destroy();
      throw error;
    }
    // The host closes the pipes of a process that has ended, and says so later, if at all.
    const isLost = this.error !== undefined || (this.underWay > 0 && !raw.writableFinished);
    if (!isLost || this.errorWasTold) return;
    this.errorWasTold = true;
    throw broken(this.error);
  }

  private assertUsable(): void {
    if (this.isClosed || this.raw.writableEnded) throw new ClosedResourceError();
    if (this.error === undefined && !this.raw.destroyed) return;
    this.errorWasTold = true;
    throw broken(this.error);
  }
}
