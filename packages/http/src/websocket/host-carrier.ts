/**
 * A websocket over the host's own `WebSocket`: in browsers and on Bun. It cannot be told to read no more, and it does not
 * say when there is room again, so that is asked for at intervals.
 *
 * Invariant: nothing is heard from it any more once it has closed.
 */
import type { Carrier, CarrierEvents } from "./carrier.ts";
import { abnormalClosure } from "./close-code.ts";
import type { Message } from "./message.ts";

/** Bytes under way with which a sender waits. */
const highWaterMark = 65_536;
/** Milliseconds after which a full host is asked again. */
const askingInterval = 10;
/** The close code for a message that is too long. */
const tooLong = 1009;

export class HostCarrier implements Carrier {
  private readonly socket: WebSocket;
  private readonly events: CarrierEvents;
  private readonly maxMessageBytes: number;
  private asking: ReturnType<typeof setTimeout> | undefined = undefined;
  private isOver = false;

  /** Takes over an open connection, on which nobody listens. */
  constructor(socket: WebSocket, maxMessageBytes: number, events: CarrierEvents) {
    this.socket = socket;
    this.events = events;
    this.maxMessageBytes = maxMessageBytes;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", (event: MessageEvent<string | ArrayBuffer>) => this.came(event.data));
    socket.addEventListener("close", ({ code, reason }) => this.ended(code, reason));
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  get isFull(): boolean {
    return this.socket.bufferedAmount >= highWaterMark;
  }

  send(message: Message): void {
    this.socket.send(message as string);
    if (this.isFull) this.askAgain();
  }

  readOn(): void {
    // Reading never stops.
  }

  close(code: number, reason: string): void {
    this.socket.close(code, reason);
  }

  destroy(): void {
    this.socket.close();
  }

  private askAgain(): void {
    this.asking ??= setTimeout(() => {
      this.asking = undefined;
      if (this.isFull) this.askAgain();
      else this.events.drained();
    }, askingInterval);
  }

  private came(data: string | ArrayBuffer): void {
    if (this.isOver) return;
    const message = typeof data === "string" ? data : new Uint8Array(data);
    if (message.length <= this.maxMessageBytes) {
      this.events.message(message);
    } else {
      this.isOver = true;
      this.events.broke(new RangeError("The message is longer than maxMessageBytes."), tooLong, false);
      // Programs in a browser may say no other code than their own.
      this.socket.close(4000 + (tooLong % 1000));
    }
    this.events.settle();
  }

  private ended(code: number, reason: string): void {
    clearTimeout(this.asking);
    if (!this.isOver) {
      // Deno says 0 where others say 1006.
      if (code !== abnormalClosure && code !== 0) this.events.closed(code, reason);
      else
        this.events.broke(
          new Error("The connection ended without a word of closing."),
          abnormalClosure,
          this.isFull,
        );
    }
    this.isOver = true;
    this.events.settle();
    this.events.gone();
  }
}
