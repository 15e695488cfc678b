/**
 * `node:tls` without its I/O: bytes of the wire go in and come out by hand, so TLS runs over any byte stream and in the
 * task that asked for it. What Python's `MemoryBIO` is to anyio.
 *
 * Invariant: the engine is fed whole records, and nothing behind a record that may be the peer's last word until it is
 * known whether it was; so what follows the end of TLS is still there to be read as it is.
 */
import { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { hostTurn, suspendOnHost } from "@anyloop/core/lowlevel";
import type { Operation } from "@anyloop/core";
import { Change } from "./change.ts";

const headerLength = 5;
const applicationData = 23;
const changeCipherSpec = 20;
/** An alert is of this size at most, encrypted or not. Longer records are not the last. */
const longestAlert = 64;
const nothing: Uint8Array = new Uint8Array(0);

/** What TLS takes for its connection. */
class Wire extends Duplex {
  private readonly onOutput: (bytes: Uint8Array) => void;

  constructor(onOutput: (bytes: Uint8Array) => void) {
    super({ allowHalfOpen: true, autoDestroy: false });
    this.onOutput = onOutput;
    // Told by the TLS socket as well.
    this.on("error", () => {});
  }

  override _read(): void {
    // Bytes are pushed when they come.
  }

  override _write(chunk: Uint8Array, _encoding: string, callback: () => void): void {
    this.onOutput(chunk);
    callback();
  }
}

export class TlsEngine {
  readonly socket: TLSSocket;
  /** Happens after anything here has changed. */
  readonly change: Change = new Change();
  isSecure = false;
  /** The peer has said that nothing more comes. */
  hasPeerEnded = false;
  /** Our own last word is among the output. */
  hasEnded = false;
  error: Error | undefined = undefined;
  /** Bytes for the wire, in order. */
  readonly output: Uint8Array[] = [];
  private outputBytes = 0;
  private readonly plaintext: Uint8Array[] = [];
  private readonly wire: Wire;
  /** From the wire, not fed yet. */
  private unfed: Uint8Array = nothing;
  private isWriting = false;
  private lastLength = 0;
  private isQuiet = false;
  private willTell = false;

  /** `open` makes the TLS socket on top of the wire. */
  constructor(open: (wire: Duplex) => TLSSocket, secureEvent: "secure" | "secureConnect") {
    this.wire = new Wire((bytes) => {
      this.output.push(bytes);
      this.outputBytes += bytes.length;
      this.changed();
    });
    const socket = open(this.wire);
    const failed = (error: Error): void => {
      this.error ??= error;
      this.changed();
    };
    this.socket = socket;
    socket.on(secureEvent, () => {
      this.isSecure = true;
      this.changed();
    });
    socket.on("data", (data: Uint8Array) => {
      this.plaintext.push(data);
      this.changed();
    });
    socket.on("end", () => {
      this.hasPeerEnded = true;
      this.changed();
    });
    socket.on("finish", () => {
      this.hasEnded = true;
      this.changed();
    });
    socket.on("error", failed);
    // A server's socket says it this way while it shakes hands.
    socket.on("_tlsError", failed);
    socket.on("close", () => {
      if (!this.hasPeerEnded) failed(new Error("The TLS connection was closed."));
    });
  }

  /** Takes bytes from the wire; they are fed by `feed`. */
  receive(bytes: Uint8Array): void {
    this.unfed = this.unfed.length === 0 ? bytes : Buffer.concat([this.unfed, bytes]);
  }

  /** Feeds the next record; false if there is no whole one. */
  feed(): boolean {
    const { unfed } = this;
    const length = recordLength(unfed);
    if (length === 0 || length > unfed.length) return false;
    this.unfed = unfed.subarray(length);
    this.lastLength = length;
    this.wire.push(unfed.subarray(0, length));
    return true;
  }

  /** Whether what was fed last may have been the end, with something behind it: give the host a turn to find out. */
  get mayHaveEnded(): boolean {
    return this.unfed.length > 0 && this.lastLength <= longestAlert;
  }

  /** What follows the end of TLS. */
  takeRest(): Uint8Array {
    const rest = this.unfed;
    this.unfed = nothing;
    return rest;
  }

  /** Decrypted bytes, if there are any. */
  take(maxBytes: number): Uint8Array | undefined {
    const [first] = this.plaintext;
    if (first === undefined) return undefined;
    if (first.length <= maxBytes) {
      this.plaintext.shift();
      return first;
    }
    this.plaintext[0] = first.subarray(maxBytes);
    return first.subarray(0, maxBytes);
  }

  /** Encrypts; whether all of it is among the output, or `isIdle` is yet to be waited for. */
  write(data: Uint8Array): boolean {
    const before = this.outputBytes;
    this.isWriting = true;
    // What comes out in here is for the caller to send: nobody else need wake up for it.
    this.isQuiet = true;
    this.socket.write(data, () => {
      this.isWriting = false;
      this.changed();
    });
    this.isQuiet = false;
    return this.outputBytes - before > data.length;
  }

  /** Whether everything written was encrypted. */
  get isIdle(): boolean {
    return !this.isWriting;
  }

  /** Says to the peer that nothing more comes; `hasEnded` tells when that is among the output. */
  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
    this.wire.destroy();
  }

  /** Tells whoever waits, but not in the stack of TLS, in which nobody must use it. */
  changed(): void {
    if (this.isQuiet || this.willTell || !this.change.isWatched) return;
    this.willTell = true;
    queueMicrotask(() => {
      this.willTell = false;
      this.change.happened();
    });
  }
}

/** Of the record that begins here, its header included; 0 if that is not known yet. What is no TLS is fed as it is. */
function recordLength(bytes: Uint8Array): number {
  const [type = 0, , , high = 0, low = 0] = bytes;
  if (bytes.length === 0) return 0;
  if (type < changeCipherSpec || type > applicationData) return bytes.length;
  return bytes.length < headerLength ? 0 : headerLength + high * 256 + low;
}

/** Lets TLS do what it does in later turns of the host. */
export function hostTurnOver(): Operation<void> {
  return suspendOnHost((waiter) => {
    let isWanted = true;
    hostTurn(() => {
      if (isWanted) waiter.resume();
    });
    return () => {
      isWanted = false;
      return true;
    };
  });
}
