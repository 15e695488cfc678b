/**
 * What a `WebSocketStream` stands on: frames over a socket, or the host's own `WebSocket`. The stream knows tasks and no
 * protocol, a carrier the protocol and no tasks.
 *
 * Invariant: a carrier tells either `broke` or `closed`, once, and `gone` last; it calls `settle` at the
 * end of its callbacks, since a task may go on before that returns.
 */
import type { Message } from "./message.ts";

export interface Carrier {
  readonly protocol: string;
  /** So much is under way that a sender has to wait for `drained`. */
  readonly isFull: boolean;
  send(message: Message): void;
  /** There is room for messages again. */
  readOn(): void;
  /** Sends the word of closing, after everything sent. Once is enough. */
  close(code: number, reason: string): void;
  /** Lets go of the connection at once. */
  destroy(): void;
}

export interface CarrierEvents {
  /** False: no more messages for now, or they pile up. */
  readonly hasRoom: boolean;
  message(message: Message): void;
  /** All messages that came together are told: who waits for one may go on. */
  settle(): void;
  drained(): void;
  /** The peer's word of closing. */
  closed(code: number, reason: string): void;
  /** It ended in any other way. `wasBusy`: something sent may be lost. */
  broke(error: unknown, code: number, wasBusy: boolean): void;
  gone(): void;
}
