/**
 * The body of a request as a byte stream, with a limit.
 *
 * Invariant: no more than `limit` bytes are ever given or kept; a client that waits to be asked for the body
 * (`Expect: 100-continue`) is asked when somebody first wants it, so one that is refused never sends it.
 */
import {
  BusyResourceError,
  type ByteReceiveStream,
  ClosedResourceError,
  EndOfStream,
  type Operation,
  UsageError,
} from "@anyloop/core";
import { closing, HostLeaf, type Strand } from "@anyloop/core/lowlevel";
import type { Duplex } from "node:stream";
import { ByteStreamDuplex } from "./byte-stream-duplex.ts";
import { HttpError } from "./http-error.ts";
import type { Incoming, PieceReader } from "./incoming.ts";

const defaultMaxBytes = 65_536;
const nothing = new Uint8Array(0);

export class RequestBody implements ByteReceiveStream {
  readonly incoming: Incoming;
  private readonly limit: number;
  private readonly askForBody: () => void;
  private rest: Uint8Array | undefined = undefined;
  private received = 0;
  private isClosed = false;

  constructor(incoming: Incoming, limit: number, askForBody: () => void) {
    this.incoming = incoming;
    this.limit = limit;
    this.askForBody = askForBody;
  }

  /** @throws EndOfStream, HttpError 413, BrokenResourceError, ClosedResourceError, BusyResourceError. */
  receive(maxBytes: number = defaultMaxBytes): Operation<Uint8Array> {
    if (!Number.isInteger(maxBytes) || maxBytes < 1)
      throw new UsageError(`maxBytes is ${String(maxBytes)}. Give a whole number, 1 or more.`);
    return new Receive(this, maxBytes);
  }

  /** All that has not been received yet, as something else. */
  whole<T>(convert: (bytes: Uint8Array) => T): Operation<T> {
    return new Whole(this, convert);
  }

  /** What has not been received is thrown away; whoever waits for it is told. */
  close(): Operation<void> {
    return closing(() => {
      const { incoming } = this;
      const { reader } = incoming;
      this.isClosed = true;
      incoming.reader = undefined;
      incoming.discard();
      reader?.onBroken(new ClosedResourceError());
    });
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  /** @internal Why nothing can be read. Asks for the body if nobody has yet. */
  problem(): Error | undefined {
    if (this.isClosed) return new ClosedResourceError();
    if (this.incoming.reader !== undefined) return new BusyResourceError("receiving from");
    const { "content-length": length } = this.incoming.headers;
    if (length !== undefined && Number(length) > this.limit) return this.tooLong();
    this.askForBody();
    return undefined;
  }

  /** @internal What has come and was not given yet. */
  take(): Uint8Array | undefined {
    const { rest } = this;
    this.rest = undefined;
    return rest ?? this.incoming.takePiece();
  }

  /** @internal Gives a piece back of which only a part was wanted. */
  putBack(rest: Uint8Array): void {
    this.received -= rest.length;
    this.rest = rest;
  }

  /** @internal Whether a piece is still within the limit. */
  admits(piece: Uint8Array): boolean {
    this.received += piece.length;
    return this.received <= this.limit;
  }

  /** @internal */
  tooLong(): HttpError {
    return tooLong(this.limit);
  }
}

export function tooLong(limit: number): HttpError {
  return new HttpError(413, `The body is longer than ${String(limit)} bytes.`);
}

/** Reads until it has what it wants: one piece, or all of them. */
abstract class Read<T> extends HostLeaf<T> implements PieceReader {
  protected readonly body: RequestBody;
  protected value: T | undefined = undefined;
  protected error: unknown = undefined;

  constructor(body: RequestBody) {
    super();
    this.body = body;
  }

  get label(): string {
    return "the body of a request";
  }

  /** True once `value` or `error` is what it gives. */
  protected abstract offer(piece: Uint8Array | undefined): boolean;

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { body } = this;
    const { incoming } = body;
    const problem = body.problem();
    if (problem !== undefined) return this.refuse(strand, problem);
    for (;;) {
      const piece = body.take();
      if (piece === undefined && !incoming.isWhole) break;
      if (!this.offer(piece)) continue;
      return this.error === undefined
        ? this.complete(strand, this.value as T)
        : this.refuse(strand, this.error);
    }
    if (incoming.broken !== undefined) return this.refuse(strand, incoming.broken);
    incoming.reader = this;
    const parked = this.park(strand);
    incoming.resumeReading();
    return parked;
  }

  /** What comes over a stream of ours is owed by tasks, not by the host: see `suspendOn`. */
  protected override park(strand: Strand): IteratorResult<unknown, unknown> {
    const parked = super.park(strand);
    if (this.isCarried) strand.run.release();
    return parked;
  }

  protected override unpark(): Strand {
    if (this.isCarried) this.strand?.run.hold();
    return super.unpark();
  }

  private get isCarried(): boolean {
    return (this.body.incoming.socket as Duplex) instanceof ByteStreamDuplex;
  }

  protected abort(): boolean {
    this.body.incoming.reader = undefined;
    return true;
  }

  onPiece(piece: Uint8Array | undefined): void {
    if (!this.offer(piece)) this.body.incoming.reader = this;
    else if (this.error === undefined) this.resume(this.value as T);
    else this.fail(this.error);
  }

  onBroken(error: Error): void {
    this.fail(error);
  }
}

class Receive extends Read<Uint8Array> {
  private readonly maxBytes: number;

  constructor(body: RequestBody, maxBytes: number) {
    super(body);
    this.maxBytes = maxBytes;
  }

  protected offer(piece: Uint8Array | undefined): boolean {
    const { body, maxBytes } = this;
    this.error = piece === undefined ? new EndOfStream() : body.admits(piece) ? undefined : body.tooLong();
    this.value = piece?.subarray(0, maxBytes);
    if (piece !== undefined && piece.length > maxBytes) body.putBack(piece.subarray(maxBytes));
    return true;
  }
}

class Whole<T> extends Read<T> {
  private readonly convert: (bytes: Uint8Array) => T;
  private pieces: Uint8Array[] | undefined = undefined;

  constructor(body: RequestBody, convert: (bytes: Uint8Array) => T) {
    super(body);
    this.convert = convert;
  }

  protected override enter(strand: Strand): IteratorResult<unknown, unknown> {
    this.pieces = undefined;
    return super.enter(strand);
  }

  /** What has come is there for the next one. */
  protected override abort(): boolean {
    if (this.pieces !== undefined) this.body.putBack(Buffer.concat(this.pieces));
    return super.abort();
  }

  protected offer(piece: Uint8Array | undefined): boolean {
    const { body } = this;
    if (piece !== undefined && !body.admits(piece)) return this.refuseAs(body.tooLong());
    // In one piece with its end: nothing to put together.
    if (this.pieces === undefined && (piece === undefined || body.incoming.hasEnded))
      return this.give(piece ?? nothing);
    if (piece === undefined) return this.give(Buffer.concat(this.pieces ?? []));
    if (this.pieces === undefined) this.pieces = [piece];
    else this.pieces.push(piece);
    return false;
  }

  private give(bytes: Uint8Array): true {
    try {
      this.value = this.convert(bytes);
    } catch (error) {
      return this.refuseAs(error);
    }
    return true;
  }

  private refuseAs(error: unknown): true {
    this.error = error;
    this.pieces = undefined;
    return true;
  }
}
