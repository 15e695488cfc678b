/**
 * The protocol of a channel between threads, the same at both ends.
 *
 * Invariant: an end sends an item only while it has room, the other end gives room back as it takes items, so no more
 * than `capacity` items are on their way or waiting in one direction. `openChannelEnd` is self-contained: the other thread
 * gets it as source.
 */

/** The part of `MessagePort` that is needed. */
interface Port {
  on(event: "message", listener: (message: readonly [kind: number, value?: unknown]) => void): unknown;
  on(event: "close", listener: () => void): unknown;
  postMessage(message: readonly [kind: number, value?: unknown]): void;
  close(): void;
}

export interface ChannelEnd {
  /** Came, and was not taken yet. */
  readonly inbox: readonly unknown[];
  /** How many items may be sent now. */
  readonly room: number;
  /** Nothing more will come: the other end has said so. */
  readonly hasEnded: boolean;
  /** The other end is closed, or its thread is gone: nothing that is sent will be taken. */
  readonly isGone: boolean;
  /** Sends an item, if there is room. @throws what `postMessage` throws for what cannot be sent. */
  post(item: unknown): void;
  /** The first of the inbox. */
  take(): unknown;
  sendEof(): void;
  close(): void;
}

/** `changed` is called whenever one of the properties may have changed. */
export function openChannelEnd(port: Port, capacity: number, changed: () => void): ChannelEnd {
  const [item, room, eof, closed] = [0, 1, 2, 3];
  /** Room is given back in halves of what there is: a message for each item would double the traffic. */
  const portion = Math.ceil(capacity / 2);
  let taken = 0;
  const end = {
    inbox: [] as unknown[],
    room: capacity,
    hasEnded: false,
    isGone: false,
    post(value: unknown): void {
      port.postMessage([item, value]);
      end.room--;
    },
    take(): unknown {
      const value = end.inbox.shift();
      if (++taken >= portion && !end.isGone) {
        port.postMessage([room, taken]);
        taken = 0;
      }
      return value;
    },
    sendEof(): void {
      port.postMessage([eof]);
    },
    close(): void {
      port.postMessage([closed]);
      port.close();
    },
  };
  port.on("message", ([kind, value]) => {
    if (kind === item) end.inbox.push(value);
    else if (kind === room) end.room += value as number;
    else end.hasEnded = true;
    if (kind === closed) end.isGone = true;
    changed();
  });
  port.on("close", () => {
    end.isGone = true;
    changed();
  });
  return end;
}
