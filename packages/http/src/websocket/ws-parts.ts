/**
 * The parts of `ws` that the frames come from: public exports of it, for which its types have no names. The whole of `ws`
 * would write once for each message; see docs/decisions/0014.
 */
import type { Writable } from "node:stream";
import * as ws from "ws";

type ExtensionParameters = Readonly<Record<string, readonly (string | true)[]>>;
type Extensions = Readonly<Record<string, PerMessageDeflate>>;

export interface PerMessageDeflate {
  /** What a client asks for. */
  offer(): Readonly<Record<string, unknown>>;
  /** Takes what the other side offers or has answered; gives what was agreed on. @throws Error. */
  accept(offers: readonly ExtensionParameters[]): Readonly<Record<string, unknown>>;
  cleanup(): void;
}

/** Takes bytes from the peer; emits `message`, `ping`, `pong` and `conclude`, or an error with a `code` of ws. */
export interface FrameReceiver extends Pick<
  Writable,
  "closed" | "end" | "write" | "writableEnded" | "writableLength" | "writableNeedDrain"
> {
  on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): this;
  on(event: "ping" | "pong", listener: (data: Buffer) => void): this;
  on(event: "conclude", listener: (code: number, reason: Buffer) => void): this;
  on(event: "error", listener: (error: NodeJS.ErrnoException) => void): this;
  on(event: "drain" | "close", listener: () => void): this;
}

/** Of a socket, what the sender uses. */
export interface FrameSink {
  readonly destroyed: boolean;
  cork(): void;
  uncork(): void;
  write(data: Uint8Array | string, onTaken?: () => void): void;
}

export interface SendOptions {
  readonly binary: boolean;
  readonly compress: boolean;
  readonly fin: boolean;
  readonly mask: boolean;
}

/** Makes frames and hands them to a sink, compressed ones later. */
export interface FrameSender {
  send(data: Uint8Array | string, options: SendOptions, onTaken?: () => void): void;
  ping(data: Uint8Array, mask: boolean): void;
  pong(data: Uint8Array, mask: boolean): void;
  close(code: number | undefined, reason: string, mask: boolean, onTaken: () => void): void;
}

interface ReceiverOptions {
  readonly extensions: Extensions;
  readonly isServer: boolean;
  readonly maxBufferedChunks: number;
  readonly maxFragments: number;
  readonly maxPayload: number;
}

interface Parts {
  readonly Receiver: new (options: ReceiverOptions) => FrameReceiver;
  readonly Sender: new (sink: FrameSink, extensions: Extensions) => FrameSender;
  readonly PerMessageDeflate: (new (options: {
    readonly isServer: boolean;
    readonly maxPayload: number;
  }) => PerMessageDeflate) & { readonly extensionName: string };
  readonly extension: {
    /** @throws SyntaxError. */
    parse(header: string): Readonly<Record<string, readonly ExtensionParameters[]>>;
    format(extensions: Readonly<Record<string, unknown>>): string;
  };
  readonly subprotocol: {
    /** @throws SyntaxError. */
    parse(header: string): ReadonlySet<string>;
  };
}

// A namespace: Bun has a `ws` of its own without these, and named imports would keep the whole package from loading there.
export const wsParts: Parts = ws as unknown as Parts;
