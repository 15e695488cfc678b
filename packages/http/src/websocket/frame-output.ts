/**
 * Where the sender of `ws` writes: gathers frames and hands them to the socket in one write, when the task that sends
 * blocks or ends, or past 64 kB. A write costs more than all else that is done for a short message.
 *
 * Invariant: frames go out in the order in which they came.
 */
import type { Duplex } from "node:stream";
import { whenBlocked } from "@anyloop/core/lowlevel";
import type { FrameSink } from "./ws-parts.ts";

const highWaterMark = 65_536;

export class FrameOutput implements FrameSink {
  private readonly socket: Duplex;
  private pieces: (Uint8Array | string)[] = [];
  private size = 0;
  private isGathering = false;

  private readonly onBlocked = (): void => {
    this.isGathering = false;
    this.flush();
  };

  constructor(socket: Duplex) {
    this.socket = socket;
  }

  get destroyed(): boolean {
    return this.socket.destroyed;
  }

  /** Nothing of what was taken is still on its way to the system. */
  get isEmpty(): boolean {
    return this.size === 0 && this.socket.writableLength === 0;
  }

  cork(): void {
    // Everything is gathered anyway.
  }

  uncork(): void {
    // As above.
  }

  write(data: Uint8Array | string, onTaken?: () => void): void {
    this.pieces.push(data);
    this.size += typeof data === "string" ? Buffer.byteLength(data) : data.length;
    if (this.size >= highWaterMark) {
      this.flush();
    } else if (!this.isGathering) {
      this.isGathering = true;
      whenBlocked(this.onBlocked);
    }
    onTaken?.();
  }

  /** Writes what was gathered. */
  flush(): void {
    const { pieces, size, socket } = this;
    if (size === 0) return;
    this.pieces = [];
    this.size = 0;
    if (!socket.writable) return;
    if (size < highWaterMark) {
      socket.write(joined(pieces, size));
      return;
    }
    socket.cork();
    for (const piece of pieces) socket.write(piece);
    socket.uncork();
  }
}

/** One buffer of them all: strings are encoded straight into it. */
function joined(pieces: readonly (Uint8Array | string)[], size: number): Uint8Array {
  const buffer = Buffer.allocUnsafe(size);
  let end = 0;
  for (const piece of pieces) {
    if (typeof piece === "string") {
      end += buffer.write(piece, end);
    } else {
      buffer.set(piece, end);
      end += piece.length;
    }
  }
  return buffer;
}
