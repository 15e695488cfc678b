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

export class HostCarrier implements Carrier {
  private readonly socket: WebSocket;
  private readonly events: CarrierEvents;
  private asking: ReturnType<typeof setTimeout> | undefined = undefined;

  /** Takes over an open connection, on which nobody listens. */
  constructor(socket: WebSocket, maxMessageBytes: number, events: CarrierEvents) {
    this.socket = socket;
    this.events = events;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }: MessageEvent<string | ArrayBuffer>) => {
      const message = typeof data === "string" ? data : new Uint8Array(data);
      if (message.length > maxMessageBytes) this.refuse();
      else events.message(message);
      events.settle();
    });
    socket.addEventListener("close", ({ code, reason }) => {
      clearTimeout(this.asking);
      if (code === abnormalClosure)
        events.broke(new Error("The connection ended without a word of closing."), code, false);
      else events.closed(code, reason);
      events.settle();
      events.gone();
    });
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  get isFull(): boolean {
    if (this.socket.bufferedAmount < highWaterMark) return false;
    this.asking ??= setTimeout(() => {
      this.asking = undefined;
      if (!this.isFull) this.events.drained();
    }, askingInterval);
    return true;
  }

  send(message: Message): void {
    this.socket.send(message as string);
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

  private refuse(): void {
    this.events.broke(new RangeError("The message is longer than maxMessageBytes."), 1009, false);
    // Programs in a browser may say no other code of their own.
    this.socket.close(4009);
  }
}
