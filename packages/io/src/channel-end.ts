/**
 * The protocol of a channel between threads, the same at both ends.
 *
 * Invariant: an end sends an item only while it has room, the other end gives room back as it takes items, so no more
 * than `capacity` items are on their way or waiting in one direction. What one turn of the loop sends goes out as one
 * message: a message costs 0.7 µs, an item in one a thirtieth of it. `openChannelEnd` is self-contained: the other thread
 * gets it as source.
 */
import type { Transferable } from "node:worker_threads";

type Message = readonly [kind: number, value?: unknown];

/** The part of `MessagePort` that is needed. */
interface Port {
  on(event: "message", listener: (message: Message) => void): unknown;
  on(event: "close", listener: () => void): unknown;
  postMessage(message: Message, transfer?: readonly Transferable[]): void;
  close(): void;
}

export interface ChannelEnd {
  /** How many items came and were not taken yet. */
  readonly waiting: number;
  /** How many items may be sent now. */
  readonly room: number;
  /** Nothing more will come: the other end has said so. */
  readonly hasEnded: boolean;
  /** The other end is closed, or its thread is gone: nothing that is sent will be taken. */
  readonly isGone: boolean;
  /** Sends a clone of an item, if there is room. @throws what `structuredClone` throws for what cannot be cloned. */
  post(item: unknown, transfer?: readonly Transferable[]): void;
  /** The item that waits longest. */
  take(): unknown;
  sendEof(): void;
  /** The other end is gone without a word. */
  lose(): void;
  close(): void;
}

/** `changed` is called whenever one of the properties may have changed; `lost` when the port has closed unannounced. */
export function openChannelEnd(
  port: Port,
  capacity: number,
  changed: () => void,
  lost?: () => void,
): ChannelEnd {
  const [items, room, eof, closed] = [0, 1, 2, 3];
  /** Half of what there is does not wait for the end of the turn: the other end works on it meanwhile. */
  const portion = Math.ceil(capacity / 2);
  let inbox: unknown[] = [];
  let head = 0;
  let outbox: unknown[] = [];
  let taken = 0;
  let isOpen = true;

  /** Whether it is its own clone. */
  const isPlain = (value: unknown): boolean => {
    const type = typeof value;
    return value === null || (type !== "object" && type !== "function" && type !== "symbol");
  };
  /** Cloned at once, so that the error is its sender's and what he changes afterwards is his own. */
  const clone = (item: unknown): unknown => {
    if (isPlain(item)) return item;
    // A flat record, as most messages are: a tenth of the price of a structured clone, which the port makes once more.
    const isRecord = typeof item === "object" && Object.getPrototypeOf(item) === Object.prototype;
    if (!isRecord || !Object.values(item as object).every(isPlain)) return structuredClone(item);
    return { ...(item as object) };
  };

  let isTurnAwaited = false;
  const flush = (): void => {
    if (outbox.length === 0) return;
    const batch = outbox;
    outbox = [];
    port.postMessage([items, batch]);
  };
  const giveRoom = (): void => {
    if (taken === 0 || end.isGone) return;
    port.postMessage([room, taken]);
    taken = 0;
  };
  const endTurn = (): void => {
    isTurnAwaited = false;
    if (!isOpen) return;
    flush();
    giveRoom();
  };
  const awaitTurn = (): void => {
    if (isTurnAwaited) return;
    isTurnAwaited = true;
    setImmediate(endTurn);
  };

  const end = {
    get waiting(): number {
      return inbox.length - head;
    },
    room: capacity,
    hasEnded: false,
    isGone: false,
    post(item: unknown, transfer?: readonly Transferable[]): void {
      if (transfer !== undefined && transfer.length > 0) {
        flush();
        port.postMessage([items, [item]], transfer);
      } else {
        if (outbox.push(clone(item)) >= portion) flush();
        else awaitTurn();
      }
      end.room--;
    },
    take(): unknown {
      const item = inbox[head];
      inbox[head++] = undefined;
      if (head === inbox.length || head === capacity) {
        inbox = inbox.slice(head);
        head = 0;
      }
      if (++taken >= portion) giveRoom();
      else awaitTurn();
      return item;
    },
    sendEof(): void {
      flush();
      port.postMessage([eof]);
    },
    lose(): void {
      end.isGone = true;
      changed();
    },
    close(): void {
      if (!isOpen) return;
      flush();
      isOpen = false;
      port.postMessage([closed]);
      port.close();
    },
  };
  port.on("message", ([kind, value]) => {
    if (kind === items) inbox.push(...(value as unknown[]));
    else if (kind === room) end.room += value as number;
    else end.hasEnded = true;
    if (kind === closed) end.isGone = true;
    changed();
  });
  port.on("close", () => {
    if (end.isGone || !isOpen) return;
    if (lost === undefined) end.lose();
    else lost();
  });
  return end;
}
