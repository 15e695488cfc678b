/** What can go wrong with a request. A broken connection is core's `BrokenResourceError`, with the cause. */
import { AnyloopError, TimeoutError } from "@anyloop/core";

/** The phases of a request that can have a time limit. */
export type TimeoutPhase = "total" | "pool" | "connect" | "firstByte" | "betweenChunks";

/** A time limit of a request passed; the subclasses say which. */
export abstract class RequestTimeout extends TimeoutError {
  abstract readonly phase: TimeoutPhase;
  /** The limit, in milliseconds. */
  readonly milliseconds: number;

  constructor(name: string, sentence: string, milliseconds: number) {
    super(`${sentence} within ${String(milliseconds)} ms.`);
    this.milliseconds = milliseconds;
    Object.defineProperty(this, "name", { value: name });
  }
}

/** The whole request, the reading of its body included, took longer than `timeout.total`. */
export class TotalTimeout extends RequestTimeout {
  readonly phase = "total";
  constructor(request: string, milliseconds: number) {
    super("TotalTimeout", `${request} was not done`, milliseconds);
  }
}

/** No connection became free within `timeout.pool`. */
export class PoolTimeout extends RequestTimeout {
  readonly phase = "pool";
  constructor(request: string, milliseconds: number) {
    super("PoolTimeout", `No connection of the pool became free for ${request}`, milliseconds);
  }
}

/** No connection was made within `timeout.connect`: name look-up, TCP, the proxy and TLS together. */
export class ConnectTimeout extends RequestTimeout {
  readonly phase = "connect";
  constructor(host: string, milliseconds: number) {
    super("ConnectTimeout", `${host} could not be connected to`, milliseconds);
  }
}

/** The request had been sent, and nothing of the answer came within `timeout.firstByte`. */
export class FirstByteTimeout extends RequestTimeout {
  readonly phase = "firstByte";
  constructor(request: string, milliseconds: number) {
    super("FirstByteTimeout", `${request} was not answered`, milliseconds);
  }
}

/** The body stopped coming for `timeout.betweenChunks`. */
export class ChunkTimeout extends RequestTimeout {
  readonly phase = "betweenChunks";
  constructor(request: string, milliseconds: number) {
    super("ChunkTimeout", `Nothing more of the body of ${request} came`, milliseconds);
  }
}

/** Nobody could be connected to. `code` is the system's or TLS's own name for why; `cause` is the host's error. */
export class ConnectionFailed extends AnyloopError {
  override readonly name = "ConnectionFailed";
  readonly code: string;
  constructor(host: string, cause: unknown) {
    const { code, message } = cause as { code?: unknown; message?: unknown };
    super(`${host} could not be connected to: ${String(message ?? cause)}`, { cause });
    this.code = typeof code === "string" ? code : "CONNECTION_FAILED";
  }
}

/** The server's answer is no HTTP, or more than was allowed: too many header bytes, a body of another length than announced. */
export class InvalidResponse extends AnyloopError {
  override readonly name = "InvalidResponse";
  readonly code = "INVALID_RESPONSE";
}

/** The body has more bytes than `maxBodyBytes` allows, counted after decompression. */
export class BodyTooLarge extends AnyloopError {
  override readonly name = "BodyTooLarge";
  readonly code = "BODY_TOO_LARGE";
  constructor(maxBytes: number) {
    super(
      `The body has more than ${String(maxBytes)} bytes. Raise maxBodyBytes if that is right, or read it with stream().`,
    );
  }
}

/** The body cannot be decompressed: it is damaged, or compressed in more ways than are allowed. */
export class DecompressionFailed extends AnyloopError {
  override readonly name = "DecompressionFailed";
  readonly code = "DECOMPRESSION_FAILED";
}

/** What a redirect error says of where it led. */
interface Redirected {
  readonly url: string;
  readonly location: string;
}

/** The server redirected in a circle, too often, to nowhere, or to where it must not. */
export class RedirectError extends AnyloopError {
  override readonly name = "RedirectError";
  readonly code = "REDIRECT";
  /** The answer's own URL. */
  readonly url: string;
  /** Where it pointed to. */
  readonly location: string;
  constructor(message: string, { url, location }: Redirected) {
    super(`${message} (${url} → ${location})`);
    this.url = url;
    this.location = location;
  }
}
