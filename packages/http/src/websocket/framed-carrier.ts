/**
 * A websocket over a socket, or any other duplex stream of Node: frames and compression are those of `ws`, the closing
 * handshake, the flow and the failures are ours.
 *
 * Invariant: each side says one word of closing. Once both are said and ours is written the socket is destroyed; the same
 * when it breaks. Reading stops while messages pile up, and goes on when they are gone or not wanted any more.
 */
import type { Duplex } from "node:stream";
import type { Carrier, CarrierEvents } from "./carrier.ts";
import { abnormalClosure, noStatus } from "./close-code.ts";
import { FrameOutput } from "./frame-output.ts";
import { Heartbeat, type HeartbeatOptions } from "./heartbeat.ts";
import type { Message } from "./message.ts";
import {
  type FrameReceiver,
  type FrameSender,
  type PerMessageDeflate,
  type SendOptions,
  wsParts,
} from "./ws-parts.ts";

/** Shorter messages are not worth compressing, in bytes. */
const compressionThreshold = 1024;
/** Bytes that wait for compression, or behind it, with which a sender waits. */
const highWaterMark = 65_536;
/** Pieces in which one message may come, as a flood of tiny ones costs far more than their bytes. */
const maxFragments = 131_072;
const maxBufferedChunks = 1_048_576;
const nothing = new Uint8Array(0);

export interface FramedOptions extends HeartbeatOptions {
  /** Largest message that is received, in bytes, after decompression; 1 048 576 if not given. */
  readonly maxMessageBytes?: number | undefined;
}

/** What the handshake has agreed on. */
export interface Agreement {
  readonly isServer: boolean;
  readonly protocol: string;
  readonly compression: PerMessageDeflate | undefined;
}

/** The close codes that tell a peer what it did wrong, by the codes of ws. */
const violations: Readonly<Record<string, number>> = {
  WS_ERR_INVALID_UTF8: 1007,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: 1008,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: 1009,
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1009,
};

function violationOf({ code = "" }: NodeJS.ErrnoException): number {
  // What does not come from ws comes from zlib: bad data, not a bad frame.
  return code.startsWith("WS_ERR_") ? (violations[code] ?? 1002) : 1007;
}

export class FramedCarrier implements Carrier {
  readonly protocol: string;
  private readonly socket: Duplex;
  private readonly events: CarrierEvents;
  private readonly mask: boolean;
  private readonly asText: SendOptions;
  private readonly asBytes: SendOptions;
  private readonly compression: PerMessageDeflate | undefined;
  private readonly output: FrameOutput;
  private readonly sender: FrameSender;
  private readonly receiver: FrameReceiver;
  private readonly heartbeat: Heartbeat;
  /** Bytes that are being compressed, or wait behind such. */
  private compressing = 0;
  private isParsing = false;
  /** The peer's last ping, not answered yet because it does not read what we send. */
  private owedPong: Buffer | undefined = undefined;
  private hasSaidClose = false;
  private isCloseWritten = false;
  private isCloseReceived = false;
  private hasFailed = false;
  private socketError: Error | undefined = undefined;

  constructor(socket: Duplex, agreement: Agreement, options: FramedOptions, events: CarrierEvents) {
    const { isServer, protocol, compression } = agreement;
    const { maxMessageBytes = 1_048_576 } = options;
    this.socket = socket;
    this.protocol = protocol;
    this.events = events;
    this.mask = !isServer;
    this.asText = { binary: false, compress: false, fin: true, mask: this.mask };
    this.asBytes = { ...this.asText, binary: true };
    this.compression = compression;
    const extensions =
      compression === undefined ? {} : { [wsParts.PerMessageDeflate.extensionName]: compression };
    this.output = new FrameOutput(socket);
    this.sender = new wsParts.Sender(this.output, extensions);
    this.receiver = new wsParts.Receiver({
      extensions,
      isServer,
      maxBufferedChunks,
      maxFragments,
      maxPayload: maxMessageBytes,
    });
    this.heartbeat = new Heartbeat(options, {
      ping: () => this.sender.ping(nothing, this.mask),
      isBehind: () => socket.isPaused(),
      dead: () => this.fail(new Error("The peer did not answer a ping in time."), abnormalClosure),
    });
    this.listen();
  }

  get isFull(): boolean {
    return this.socket.writableNeedDrain || this.compressing >= highWaterMark;
  }

  send(message: Message): void {
    const isBinary = typeof message !== "string";
    // A copy of bytes: the caller may change them as soon as `send` has come back.
    const data = isBinary ? Buffer.from(message) : message;
    const options = isBinary ? this.asBytes : this.asText;
    if (this.compression === undefined) {
      this.sender.send(data, options);
      return;
    }
    this.compressing += data.length;
    const compress = data.length >= compressionThreshold;
    this.sender.send(data, { ...options, compress }, () => {
      this.compressing -= data.length;
      // Not now: what is sent in the middle of this call would overtake what waits behind the compression.
      queueMicrotask(this.onCompressed);
    });
  }

  readOn(): void {
    if (this.events.hasRoom && !this.isReceiverFull && this.socket.isPaused()) this.socket.resume();
  }

  close(code: number | undefined, reason: string): void {
    if (this.hasSaidClose || this.socket.destroyed) return;
    this.hasSaidClose = true;
    this.heartbeat.stop();
    this.sender.close(code, reason, this.mask, () => {
      this.isCloseWritten = true;
      this.output.flush();
      this.endIfDone();
    });
  }

  destroy(): void {
    this.output.flush();
    this.socket.destroy();
  }

  private get isReceiverFull(): boolean {
    return this.receiver.writableNeedDrain && this.receiver.writableLength > 0;
  }

  private listen(): void {
    const { receiver, socket, events } = this;
    receiver.on("message", (data, isBinary) => {
      events.message(isBinary ? data : data.toString());
      this.settle();
    });
    receiver.on("ping", (data) => this.answer(data));
    receiver.on("pong", () => this.heartbeat.pongCame());
    receiver.on("conclude", (code, reason) => this.peerClosed(code, reason.toString()));
    receiver.on("error", (error) => this.fail(error, violationOf(error)));
    receiver.on("drain", () => this.readOn());
    receiver.on("close", () => this.ended());
    socket.on("data", this.onData);
    socket.on("drain", () => this.drained());
    socket.on("end", () => this.peerEnded());
    socket.on("error", (error) => {
      this.socketError = error;
    });
    socket.on("close", () => this.peerEnded());
    socket.resume();
    // A client may be gone before it is accepted; then nothing of this is told any more.
    if (socket.closed || socket.readableEnded) queueMicrotask(() => this.peerEnded());
  }

  private readonly onCompressed = (): void => {
    this.events.drained();
  };

  private readonly onData = (chunk: Buffer): void => {
    this.isParsing = true;
    this.receiver.write(chunk);
    this.isParsing = false;
    if (!this.events.hasRoom || this.isReceiverFull) this.socket.pause();
    this.events.settle();
  };

  /** Whoever waits goes on after everything that came together is parsed: so its answers go out together. */
  private settle(): void {
    if (!this.isParsing) this.events.settle();
  }

  private drained(): void {
    const { owedPong } = this;
    this.owedPong = undefined;
    if (owedPong !== undefined) this.answer(owedPong);
    this.events.drained();
  }

  /** Of many pings only the last needs its answer. */
  private answer(ping: Buffer): void {
    if (this.socket.writableNeedDrain) this.owedPong = ping;
    else if (!this.hasSaidClose) this.sender.pong(ping, this.mask);
  }

  private peerClosed(code: number, reason: string): void {
    this.isCloseReceived = true;
    this.readNothingMore();
    this.events.closed(code, reason);
    if (this.hasSaidClose) this.endIfDone();
    else this.close(code === noStatus ? undefined : code, "");
    this.settle();
  }

  private endIfDone(): void {
    if (!this.isCloseWritten) return;
    if (this.isCloseReceived) this.socket.end(() => this.socket.destroy());
    // Destroyed with bytes that nobody has read, the connection would be reset, and the word of closing lost.
    else if (this.hasFailed) this.socket.end();
  }

  private fail(error: unknown, code: number): void {
    if (this.hasFailed || this.isCloseReceived) return;
    this.hasFailed = true;
    this.readNothingMore();
    this.events.broke(error, code, !this.output.isEmpty);
    if (code === abnormalClosure) {
      this.socket.destroy();
    } else {
      this.close(code, "");
      this.endIfDone();
    }
    this.settle();
  }

  private readNothingMore(): void {
    this.heartbeat.stop();
    this.socket.off("data", this.onData);
    this.socket.resume();
  }

  /** What came before the end may still be inflating. */
  private peerEnded(): void {
    if (!this.receiver.writableEnded) this.receiver.end();
    this.ended();
  }

  private ended(): void {
    const { socket, receiver } = this;
    if (!receiver.closed) return;
    if (!this.isCloseReceived) this.fail(this.endError(), abnormalClosure);
    if (!socket.closed) return;
    this.compression?.cleanup();
    this.events.gone();
  }

  private endError(): Error {
    return this.socketError ?? new Error("The connection ended without a word of closing.");
  }
}
