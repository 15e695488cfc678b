/**
 * An answer: its head is there, its body comes.
 *
 * Invariant: the body is read once. A connection is free again as soon as all of the body has come, read or not; a short
 * body that nobody reads holds nothing up.
 */
import {
  AnyloopError,
  type ByteReceiveStream,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  linesOf,
  type LinesOptions,
  type ObjectReceiveStream,
  type Operation,
  perform,
  UsageError,
} from "@anyloop/core";
import { closing, ReceiveStreamBase } from "@anyloop/core/lowlevel";
import { codingsOf, decompressed } from "./decompress.ts";
import { BodyTooLarge, InvalidResponse } from "./errors.ts";
import { type Exchange, joined } from "./exchange.ts";
import type { HttpHeaders } from "../headers.ts";
import type { ClientRequest } from "./request.ts";
import type { BodyOwner, Convert } from "./wait.ts";

/** Most bytes of a body that is read as a whole, if nothing else is said. */
const defaultMaxBytes = 64 * 1024 * 1024;

const none: readonly ClientResponse[] = [];

/** Bytes of a body, as a stream. Cancelling a task that waits for some closes the connection. */
export type BodyReceiveStream = ByteReceiveStream & ObjectReceiveStream<Uint8Array>;

export class ClientResponse implements AsyncDisposable, BodyOwner {
  readonly status: number;
  readonly headers: HttpHeaders;
  /** Where the answer came from: after redirects, the last URL. */
  readonly url: string;
  /** The answers that redirected, the first one first. Their bodies are closed. */
  history: readonly ClientResponse[] = none;
  readonly request: ClientRequest;
  /** @internal The body was given away. */
  isUsed = false;
  private readonly exchange: Exchange;

  /** @internal Made by a session. */
  constructor(request: ClientRequest, exchange: Exchange) {
    this.request = request;
    this.exchange = exchange;
    this.status = exchange.status;
    this.headers = exchange.headers as HttpHeaders;
    this.url = exchange.finalUrl ?? exchange.url;
  }

  /** Whether the status is 2xx. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /**
   * Gives itself, to go on with. @throws StatusError for a status of 400 or more; its body comes in, up to `maxBodyBytes`,
   * whether it is read or not, so that an error that is passed on holds no connection.
   */
  throwForStatus(): this {
    if (this.status < 400) return this;
    this.exchange.letCome(this.request.settings.maxBodyBytes ?? defaultMaxBytes);
    throw new StatusError(this);
  }

  /** @throws BodyTooLarge beyond `maxBodyBytes` (64 MiB if not given), the time limits, BrokenResourceError, UsageError if read before. */
  bytes(): Operation<Uint8Array> {
    return this.read(asBytes);
  }

  /** In the character set that the answer names; UTF-8 if none. @throws as `bytes`. */
  text(): Operation<string> {
    return this.read(asText);
  }

  /**
   * The type is the caller's word: nothing checks it. @throws as `bytes`; InvalidResponse for what is no JSON.
   */
  json<T = unknown>(): Operation<T> {
    return this.read(parseJson) as Operation<T>;
  }

  /** The body as it comes. The sender is held up while 64 kB lie unread. Close it, or read it to its end. */
  stream(): BodyReceiveStream {
    const stream = this.open(false);
    const { maxBodyBytes } = this.request.settings;
    return maxBodyBytes === undefined ? stream : new Bounded(stream, maxBodyBytes);
  }

  /** @internal The same for who closes it whatever happens: a `receive` that is cancelled takes nothing, and ends nothing. */
  keptStream(): BodyReceiveStream {
    return this.open(true);
  }

  /** The body's lines, as they come. @throws as `linesOf`. */
  lines(options?: LinesOptions): ObjectReceiveStream<string> {
    return linesOf(this.stream(), options);
  }

  /** Closes the connection, unless all of the body has come. */
  close(): Operation<void> {
    return closing(() => {
      this.isUsed = true;
      this.exchange.discard(new ClosedResourceError());
    });
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private get codings(): readonly string[] {
    return this.request.settings.decompress && !this.exchange.isDecoded ? codingsOf(this.headers) : [];
  }

  private open(isKept: boolean): BodyReceiveStream {
    this.claim();
    const raw = new Body(this.exchange, isKept);
    const { codings } = this;
    return codings.length === 0 ? raw : decompressed(raw, codings, isKept);
  }

  private read<T>(convert: Convert<ClientResponse, T>): Operation<T> {
    const { maxBodyBytes = defaultMaxBytes } = this.request.settings;
    if (this.codings.length > 0) return perform(this, this.readCoded<T>, convert, maxBodyBytes);
    return this.exchange.collect(this, convert, maxBodyBytes);
  }

  private *readCoded<T>(convert: Convert<ClientResponse, T>, maxBytes: number): Coroutine<T> {
    const stream = new Bounded(this.open(false), maxBytes);
    const chunks: Uint8Array[] = [];
    try {
      for (;;) chunks.push(yield* stream.receive());
    } catch (error) {
      if (!(error instanceof EndOfStream)) throw error;
    } finally {
      yield* stream.close();
    }
    return convert(joined(chunks), this);
  }

  /** @internal The body is given away, once. */
  claim(): void {
    if (this.isUsed) {
      throw new UsageError("The body of this response was read before, or closed. It comes only once.");
    }
    this.isUsed = true;
  }
}

/** The server answered with a status of 400 or more. */
export class StatusError extends AnyloopError {
  override readonly name = "StatusError";
  readonly code = "STATUS";
  readonly status: number;
  /** Its body can still be read. */
  readonly response: ClientResponse;
  constructor(response: ClientResponse) {
    super(`${response.request.method} ${response.url} was answered with status ${String(response.status)}.`);
    this.status = response.status;
    this.response = response;
  }
}

/** The bytes of the wire. */
class Body extends ReceiveStreamBase<Uint8Array> implements ByteReceiveStream {
  private readonly exchange: Exchange;
  private readonly isKept: boolean;

  constructor(exchange: Exchange, isKept: boolean) {
    super();
    this.exchange = exchange;
    this.isKept = isKept;
  }

  receive(maxBytes = 65_536): Operation<Uint8Array> {
    if (!(maxBytes >= 1)) throw new UsageError(`maxBytes is ${String(maxBytes)}. Give 1 or more.`);
    return this.exchange.more(maxBytes, this.isKept);
  }

  close(): Operation<void> {
    return closing(() => this.exchange.discard(new ClosedResourceError()));
  }
}

/** A stream of no more than so many bytes. */
class Bounded extends ReceiveStreamBase<Uint8Array> implements ByteReceiveStream {
  private readonly source: BodyReceiveStream;
  private readonly maxBytes: number;
  private count = 0;

  constructor(source: BodyReceiveStream, maxBytes: number) {
    super();
    this.source = source;
    this.maxBytes = maxBytes;
  }

  receive(maxBytes?: number): Operation<Uint8Array> {
    return perform(this, this.doReceive, maxBytes);
  }

  close(): Operation<void> {
    return this.source.close();
  }

  private *doReceive(maxBytes: number | undefined): Coroutine<Uint8Array> {
    const chunk = yield* (this.source as ByteReceiveStream).receive(maxBytes);
    this.count += chunk.length;
    if (this.count > this.maxBytes) {
      yield* this.source.close();
      throw new BodyTooLarge(this.maxBytes);
    }
    return chunk;
  }
}

function asBytes(bytes: Uint8Array): Uint8Array {
  return bytes;
}

function asText(bytes: Uint8Array, { headers }: ClientResponse): string {
  return decoderOf(headers).decode(bytes);
}

const utf8 = /* @__PURE__ */ new TextDecoder();

function decoderOf(headers: HttpHeaders): TextDecoder {
  const label = /charset="?([^\s;"]+)/i.exec(headers.get("content-type") ?? "")?.[1];
  if (label === undefined || /^utf-?8$/i.test(label)) return utf8;
  try {
    return new TextDecoder(label);
  } catch (error) {
    throw new InvalidResponse(
      `The answer is in the character set ${label}, which is not known here. Read its bytes().`,
      {
        cause: error,
      },
    );
  }
}

function parseJson(bytes: Uint8Array, response: ClientResponse): unknown {
  try {
    return JSON.parse(utf8.decode(bytes)) as unknown;
  } catch (error) {
    const type = response.headers.get("content-type") ?? "no content-type";
    throw new InvalidResponse(
      `The answer of ${response.url} is no JSON (status ${String(response.status)}, ${type}): ${(error as Error).message}`,
      { cause: error },
    );
  }
}
