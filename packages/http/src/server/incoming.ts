/**
 * A request as `node:http` gives it to us, with a body that goes straight to the task that waits for it.
 *
 * The parser pushes each piece of the body into the message as into any readable stream. We take it there: the machinery
 * of streams behind it costs more than the parser. Invariant: a piece is given exactly once, in order; beyond
 * `highWater` unread bytes the connection is not read any further, until somebody takes them.
 */
import { IncomingMessage } from "node:http";
import { BrokenResourceError } from "@anyloop/core";

/** Unread bytes at which we stop reading. */
const highWater = 65_536;

/** Told once of the next piece, or undefined for the end. */
export interface PieceReader {
  onPiece(piece: Uint8Array | undefined): void;
  onBroken(error: Error): void;
}

export class Incoming extends IncomingMessage {
  /** Who waits for the next piece. */
  reader: PieceReader | undefined;
  /** Why no more of the body will come, if the client has vanished in its midst. */
  broken: BrokenResourceError | undefined;
  private wasEnded = false;
  private pieces: Uint8Array[] | undefined;
  private unread = 0;
  private isStopped = false;
  private isDiscarded = false;

  /** Called by the parser. */
  override push(piece: Uint8Array | null): boolean {
    if (this.isDiscarded && piece !== null) return true;
    if (piece === null) this.wasEnded = true;
    else this.keep(piece);
    const { reader } = this;
    if (reader !== undefined) {
      this.reader = undefined;
      reader.onPiece(this.takePiece());
    }
    this.isStopped = this.unread >= highWater;
    return !this.isStopped;
  }

  /** The parser asks for the rest of what nobody read to be thrown away; there mostly is none. */
  _dump(): void {
    this.discard();
  }

  /** Tells of the next piece, once; undefined at the end. */
  readPiece(reader: PieceReader): void {
    const piece = this.takePiece();
    if (piece !== undefined || this.hasEnded) {
      reader.onPiece(piece);
    } else if (this.broken !== undefined) {
      reader.onBroken(this.broken);
    } else {
      this.reader = reader;
      this.resumeReading();
    }
  }

  /** What has come and was not taken yet, as one piece. */
  takePiece(): Uint8Array | undefined {
    const { pieces } = this;
    if (pieces === undefined || pieces.length === 0) return undefined;
    this.pieces = undefined;
    this.unread = 0;
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
  }

  /** Whether all of it has come. Not every runtime pushes an end where the head says that there is no body. */
  get isWhole(): boolean {
    if (this.wasEnded) return true;
    const { "content-length": length = "0", "transfer-encoding": coding } = this.headers;
    return length === "0" && coding === undefined;
  }

  /** Whether nothing is left to be read, now or later. */
  get hasEnded(): boolean {
    return this.isWhole && this.unread === 0;
  }

  /** From now on the body is read and forgotten. */
  discard(): void {
    if (this.isDiscarded) return;
    this.isDiscarded = true;
    this.pieces = undefined;
    this.unread = 0;
    this.resumeReading();
  }

  /** The connection is gone. */
  vanish(): void {
    if (this.isWhole || this.broken !== undefined) return;
    this.broken = new BrokenResourceError("The client closed the connection before the body was complete.");
    const { reader } = this;
    this.reader = undefined;
    reader?.onBroken(this.broken);
  }

  resumeReading(): void {
    if (!this.isStopped) return;
    this.isStopped = false;
    this._read(0);
  }

  private keep(piece: Uint8Array): void {
    this.unread += piece.length;
    if (this.pieces === undefined) this.pieces = [piece];
    else this.pieces.push(piece);
  }
}
