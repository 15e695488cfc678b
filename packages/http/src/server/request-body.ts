/**
 * The body of a request as a byte stream, with a limit.
 *
 * Invariant: no more than `limit` bytes are ever given or kept; a client that waits to be asked for the body
 * (`Expect: 100-continue`) is asked when somebody first wants it, so one that is refused never sends it.
 */
import {
  type ByteReceiveStream,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  type Operation,
  perform,
  ResourceGuard,
} from "@anyloop/core";
import { closing } from "@anyloop/core/lowlevel";
import { HttpError } from "./http-error.ts";
import type { Incoming } from "./incoming.ts";

const defaultMaxBytes = 65_536;

export class RequestBody implements ByteReceiveStream {
  private readonly incoming: Incoming;
  private readonly limit: number;
  private readonly guard = new ResourceGuard("receiving from");
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
    return perform(this, this.doReceive, maxBytes);
  }

  /** All that has not been received yet. */
  whole(): Operation<Uint8Array> {
    return perform(this, this.doWhole);
  }

  /** What has not been received is thrown away. */
  close(): Operation<void> {
    return closing(() => {
      this.isClosed = true;
      this.incoming.discard();
    });
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doReceive(maxBytes: number): Coroutine<Uint8Array> {
    const entered = this.guard.enter();
    try {
      const piece = this.rest ?? (yield* this.next());
      if (piece === undefined) throw new EndOfStream();
      this.rest = piece.length > maxBytes ? piece.subarray(maxBytes) : undefined;
      return piece.subarray(0, maxBytes);
    } finally {
      entered[Symbol.dispose]();
    }
  }

  private *doWhole(): Coroutine<Uint8Array> {
    const entered = this.guard.enter();
    try {
      const first = this.rest ?? (yield* this.next());
      this.rest = undefined;
      if (first === undefined) return new Uint8Array(0);
      if (this.incoming.hasEnded) return first;
      const pieces = [first];
      for (let piece = yield* this.next(); piece !== undefined; piece = yield* this.next())
        pieces.push(piece);
      return Buffer.concat(pieces);
    } finally {
      entered[Symbol.dispose]();
    }
  }

  private *next(): Coroutine<Uint8Array | undefined> {
    if (this.isClosed) throw new ClosedResourceError();
    if (Number(this.incoming.headers["content-length"]) > this.limit) throw tooLong(this.limit);
    this.askForBody();
    const piece = yield* this.incoming.nextPiece();
    this.received += piece?.length ?? 0;
    if (this.received > this.limit) throw tooLong(this.limit);
    return piece;
  }
}

function tooLong(limit: number): HttpError {
  return new HttpError(413, `The body is longer than ${String(limit)} bytes.`);
}
