/**
 * Small pieces on their way out, gathered to be written at once. They are copied into one slab that all sockets of the
 * thread share, so a connection with nothing to send costs nothing.
 *
 * Invariant: no two batches own the same bytes of the slab, and bytes that the system may still have to read are not
 * used again.
 */
import type { Socket } from "node:net";

const slabSize = 65_536;

let slab: Buffer = Buffer.allocUnsafeSlow(slabSize);
let used = 0;

export class Batch {
  size = 0;
  /** Finished pieces; the last one, still growing, is `slab[start..end]`. */
  private pieces: Uint8Array[] | undefined = undefined;
  private slab: Buffer = slab;
  private start = 0;
  private end = 0;

  /** Takes a copy. The data must be shorter than the slab. */
  add(data: Uint8Array): void {
    const { length } = data;
    if (this.size === 0 || this.slab !== slab || this.end !== used || used + length > slabSize) {
      this.beginPiece(length);
    }
    slab.set(data, used);
    used += length;
    this.end = used;
    this.size += length;
  }

  /** Hands the bytes to the socket in one write, and is empty then. */
  writeTo(socket: Socket): void {
    const { pieces, slab: own, start, end } = this;
    this.clear();
    if (pieces === undefined) {
      socket.write(own.subarray(start, end));
    } else {
      socket.cork();
      for (const piece of pieces) socket.write(piece);
      socket.write(own.subarray(start, end));
      socket.uncork();
    }
    // The usual case: the system has it all already, and nobody has added anything behind it.
    if (socket.writableLength === 0 && own === slab && end === used) used = start;
  }

  clear(): void {
    this.pieces = undefined;
    this.size = 0;
  }

  private beginPiece(length: number): void {
    if (this.size > 0) (this.pieces ??= []).push(this.slab.subarray(this.start, this.end));
    if (used + length > slabSize) {
      slab = Buffer.allocUnsafeSlow(slabSize);
      used = 0;
    }
    this.slab = slab;
    this.start = used;
  }
}
