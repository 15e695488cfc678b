/**
 * A response as handlers make it: a status, header fields, and a body that is there or will be streamed.
 *
 * It is made once and costs an object; the native `Response` costs more than the rest of a request together, so that one
 * is a view, made when asked for.
 */
import {
  type ByteReceiveStream,
  type Handler,
  type Operation,
  type Receiver,
  UsageError,
} from "@anyloop/core";
import { HttpHeaders, type HeadersInit } from "../headers.ts";

/** Hands a piece to the client, text as UTF-8, and waits while the client is behind. @throws BrokenResourceError once it has gone. */
export type Write = (piece: Uint8Array | string) => Operation<void>;

/** A body that is made bit by bit, by a body of its own or a stream; a stream is closed after it. */
export type StreamSource =
  | Handler<[write: Write]>
  | ByteReceiveStream
  | Receiver<Uint8Array | string>
  | ReadableStream<Uint8Array>;

export type ResponseBody = string | Uint8Array | StreamSource | undefined;

export interface ResponseInit {
  /** 200 if not given. */
  readonly status?: number | undefined;
  readonly headers?: HeadersInit | undefined;
}

const noInit: ResponseInit = {};

/**
 * What a handler answers with.
 *
 * ```ts
 * import { ServerResponse } from "@anyloop/http/server";
 * const response = ServerResponse.json({ name: "Ann" }, { status: 201 });
 * console.log(response.status, response.body); // 201 {"name":"Ann"}
 * ```
 */
export class ServerResponse {
  status: number;
  body: ResponseBody;
  /** Sent unless `headers` has one. */
  readonly type: string | undefined;
  private readonly init: HeadersInit | undefined;
  private list: HttpHeaders | undefined = undefined;

  /** @throws UsageError for a status that is none. */
  constructor(body?: ResponseBody, init: ResponseInit = noInit, type?: string) {
    const { status = 200, headers } = init;
    if (!Number.isInteger(status) || status < 100 || status > 599) {
      throw new UsageError(`${String(status)} is no status. Give a whole number from 200 to 599.`);
    }
    this.status = status;
    this.body = body;
    this.type = type;
    this.init = headers;
  }

  /** @throws UsageError for header fields that cannot be sent. */
  get headers(): HttpHeaders {
    return (this.list ??= new HttpHeaders(this.init));
  }

  /** @internal Whether anything was said about the header fields. */
  get hasHeaders(): boolean {
    return this.list !== undefined || this.init !== undefined;
  }

  /** Whether the body is made bit by bit. */
  get isStreamed(): boolean {
    const { body } = this;
    return typeof body === "function" || (typeof body === "object" && !(body instanceof Uint8Array));
  }

  /** A value as JSON. @throws TypeError for what JSON cannot say. */
  static json(value: unknown, init?: ResponseInit): ServerResponse {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined)
      throw new TypeError(`JSON has nothing for ${typeof value}. Give null, or an object.`);
    return new ServerResponse(text, init, "application/json");
  }

  static text(text: string, init?: ResponseInit): ServerResponse {
    return new ServerResponse(text, init, "text/plain; charset=utf-8");
  }

  static html(html: string, init?: ResponseInit): ServerResponse {
    return new ServerResponse(html, init, "text/html; charset=utf-8");
  }

  static bytes(bytes: Uint8Array, init?: ResponseInit): ServerResponse {
    return new ServerResponse(bytes, init, "application/octet-stream");
  }

  /** Nothing but a status; 204 if not given. */
  static empty(status = 204, headers?: HeadersInit): ServerResponse {
    return new ServerResponse(undefined, { status, headers });
  }

  /** Sends the client elsewhere; 302 if no status is given. @throws UsageError for a location that is none. */
  static redirect(location: string, status: 301 | 302 | 303 | 307 | 308 = 302): ServerResponse {
    return new ServerResponse(undefined, { status, headers: { location: escaped(location) } });
  }

  /**
   * A body that is sent while it is made: by a body that is given `write`, or by a stream. It is made in the request's
   * task; a client that is behind holds it up.
   */
  static stream(source: StreamSource, init?: ResponseInit): ServerResponse {
    return new ServerResponse(source, init, "application/octet-stream");
  }

  /**
   * The same response as the Fetch standard has it. It takes the body over.
   * @throws UsageError for a body that only a task can make.
   */
  toFetch(): Response {
    const headers = new Headers();
    for (const [name, value] of this.headers) headers.append(name, value);
    if (this.type !== undefined && !headers.has("content-type")) headers.set("content-type", this.type);
    return new Response(fetchBody(this.body), { status: this.status, headers });
  }
}

/** What a URL cannot have is written with percent signs; what is written so already stays. A line end is refused later. */
function escaped(location: string): string {
  return location.replace(/[^\t-~]+|[ "<>\\^`{|}]/g, encodeURIComponent);
}

function fetchBody(body: ResponseBody): BodyInit | null {
  if (body === undefined) return null;
  if (typeof body === "string" || body instanceof ReadableStream) return body;
  if (body instanceof Uint8Array) return body as Uint8Array<ArrayBuffer>;
  throw new UsageError(
    "A body that is made by a task has no view of the Fetch standard. Return the response as it is.",
  );
}
