/**
 * A request as handlers see it. Everything is worked out when it is first asked for: most handlers look at the path, a
 * parameter and the body, and should not pay for the rest.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { TLSSocket } from "node:tls";
import {
  type ByteReceiveStream,
  cancelSignal,
  type Event,
  type Handler,
  type Operation,
} from "@anyloop/core";
import { fetchRequest } from "./fetch-view.ts";
import { HttpError } from "./http-error.ts";
import type { Incoming } from "./incoming.ts";
import { type MultipartOptions, type Part, readMultipart } from "./multipart.ts";
import { RequestBody } from "./request-body.ts";
import type { ServerResponse } from "./response.ts";
import { Storage } from "./storage.ts";
import type { TakenOver } from "./upgrade.ts";

/** What a request needs to know of the server it came to. */
export interface ServerHome {
  /** Of the application. */
  readonly storage: Storage;
  /** Set once the server has begun to shut down: what has no end of its own ends itself then. */
  readonly stopping: Event;
  readonly bodyLimit: number;
}

/** The connection that a request came on. */
export interface RequestHome {
  readonly home: ServerHome;
  readonly remoteAddress: string | undefined;
}

const noParams: Readonly<Record<string, string>> = Object.freeze({});

export class ServerRequest<Params = Readonly<Record<string, string>>> {
  readonly method: string;
  /** The target as it came: path and query, not decoded. Empty for what is none, which no handler gets to see. */
  readonly target: string;
  /** What the route's pattern found in the path, decoded. */
  params: Params = noParams as Params;
  /** @internal The methods of the path, where the request's is none of them. */
  allowed: readonly string[] | undefined = undefined;
  /** @internal The socket, where another protocol is asked for. */
  upgrade: TakenOver | undefined = undefined;
  /** The runtime's own request. Reading its body as well loses bytes. */
  readonly raw: Incoming;
  private readonly connection: RequestHome;
  private expectContinue: (() => void) | undefined;
  private readonly queryStart: number;
  private ownBody: RequestBody | undefined = undefined;
  private ownBodyLimit: number | undefined = undefined;
  private ownStorage: Storage | undefined = undefined;
  private ownQuery: URLSearchParams | undefined = undefined;
  private controller: AbortController | undefined = undefined;
  private hasVanished = false;

  /** @internal `expectContinue` tells a client that waits for it to send the body. */
  constructor(raw: Incoming, connection: RequestHome, expectContinue?: () => void) {
    this.raw = raw;
    this.connection = connection;
    this.expectContinue = expectContinue;
    this.method = raw.method as string;
    this.target = originForm(raw.url as string);
    this.queryStart = this.target.indexOf("?");
  }

  /** The path, not decoded: `/users/j%C3%B6rg`. */
  get path(): string {
    return this.queryStart < 0 ? this.target : this.target.slice(0, this.queryStart);
  }

  /** What stands behind the question mark, decoded. */
  get query(): URLSearchParams {
    return (this.ownQuery ??= new URLSearchParams(
      this.queryStart < 0 ? "" : this.target.slice(this.queryStart + 1),
    ));
  }

  /** The whole URL, as the client has it as far as we can know. */
  get url(): string {
    return this.origin + this.target;
  }

  /** Scheme and host of the URL. */
  get origin(): string {
    const { host = "" } = this.raw.headers;
    return `${this.isSecure ? "https" : "http"}://${host === "" ? "localhost" : host}`;
  }

  /** Names in lower case. */
  get headers(): IncomingHttpHeaders {
    return this.raw.headers;
  }

  /** One header field by its name, in any case; those that came more than once are joined with commas. */
  header(name: string): string | undefined {
    const value = this.raw.headers[name.toLowerCase()];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  /** By their names, decoded where they can be. */
  get cookies(): Readonly<Record<string, string>> {
    const cookies = Object.create(null) as Record<string, string>;
    for (const pair of (this.raw.headers.cookie ?? "").split(";")) {
      const equals = pair.indexOf("=");
      if (equals > 0) cookies[pair.slice(0, equals).trim()] ??= decoded(pair.slice(equals + 1).trim());
    }
    return cookies;
  }

  /** Whether it came over TLS. */
  get isSecure(): boolean {
    return (this.raw.socket as Partial<TLSSocket>).encrypted === true;
  }

  /** The client's IP address, or that of the last proxy; undefined where there is no network. */
  get remoteAddress(): string | undefined {
    return this.connection.remoteAddress;
  }

  /** Values for this request, of middleware for instance; what is not set here is looked up in the application's. */
  get storage(): Storage {
    return (this.ownStorage ??= new Storage(this.connection.home.storage));
  }

  /** Set once the server has begun to shut down. What would stream for ever waits for it, and ends. */
  get stopping(): Event {
    return this.connection.home.stopping;
  }

  /**
   * Aborted when the client has vanished, or when the handler is cancelled where the signal was first asked for. Only what
   * uses it stops: a handler goes on without its client unless its route says `cancelOnDisconnect`.
   */
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      const controller = new AbortController();
      this.controller = controller;
      const cancelled = cancelSignal();
      const abort = (): void => controller.abort(cancelled.reason);
      if (cancelled.aborted) abort();
      else cancelled.addEventListener("abort", abort, { once: true });
      if (this.hasVanished) controller.abort(clientHasVanished());
    }
    return this.controller.signal;
  }

  /** The body as a stream of bytes. @throws what `json` throws, at `receive`. */
  get body(): ByteReceiveStream {
    return this.bodyStream;
  }

  /**
   * The body, parsed.
   * @throws HttpError: 400 if it is no JSON, 413 if it is longer than the limit; BrokenResourceError if the client
   * vanishes before its end. The body can be read once.
   */
  json(): Operation<unknown> {
    return this.bodyStream.whole(parseJson);
  }

  /** The body as text in UTF-8. @throws HttpError 413; BrokenResourceError. */
  text(): Operation<string> {
    return this.bodyStream.whole(decodeText);
  }

  /** The whole body. @throws HttpError 413; BrokenResourceError. */
  bytes(): Operation<Uint8Array> {
    return this.bodyStream.whole(asItIs);
  }

  /** The fields of an HTML form (`application/x-www-form-urlencoded`). @throws HttpError: 413, or 415 for another type. */
  form(): Operation<URLSearchParams> {
    if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(this.header("content-type") ?? "")) {
      return this.bodyStream.whole(refuseForm);
    }
    return this.bodyStream.whole(parseForm);
  }

  /**
   * The parts of a `multipart/form-data` body, one after the other: files and fields. The handler reads a part while it
   * has it; what it does not read is skipped.
   * @throws HttpError: 413 past a limit, 415 for another type, 400 for a malformed body.
   */
  multipart(handler: Handler<[part: Part]>, options?: MultipartOptions): Operation<void> {
    return readMultipart(this, handler, options);
  }

  /**
   * The same request as the Fetch standard has it, for code that was written for that, with another path if one is given.
   * It takes the body over.
   */
  toFetch(path?: string): Request {
    return fetchRequest(this, this.bodyLimit, path);
  }

  /** @internal Tells a client that waits for it to send the body. */
  askForBody(): void {
    this.expectContinue?.();
    this.expectContinue = undefined;
  }

  /** @internal */
  limitBody(bytes: number): void {
    this.ownBodyLimit = bytes;
  }

  /** @internal The client is gone. */
  vanish(): void {
    this.hasVanished = true;
    this.raw.vanish();
    this.controller?.abort(clientHasVanished());
  }

  /** @internal Whether its body has been read, or there is none. */
  get isBodyComplete(): boolean {
    return this.raw.isWhole;
  }

  private get bodyLimit(): number {
    return this.ownBodyLimit ?? this.connection.home.bodyLimit;
  }

  private get bodyStream(): RequestBody {
    return (this.ownBody ??= new RequestBody(this.raw, this.bodyLimit, () => this.askForBody()));
  }
}

/** What a handler or a piece of middleware answers with: ours, or the Fetch standard's. */
export type Answer = ServerResponse | Response;

function clientHasVanished(): DOMException {
  return new DOMException("The client has closed the connection.", "AbortError");
}

/** A proxy may send the whole URL; what counts is what comes behind the host. Empty for what is neither path nor URL. */
function originForm(target: string): string {
  if (target.startsWith("/") || target === "*") return target;
  if (!URL.canParse(target)) return "";
  const { pathname, search } = new URL(target);
  return pathname + search;
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

const asItIs = (bytes: Uint8Array): Uint8Array => bytes;

function decodeText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decodeText(bytes)) as unknown;
  } catch (error) {
    throw new HttpError(400, "The body is no valid JSON.", { cause: error });
  }
}

const parseForm = (bytes: Uint8Array): URLSearchParams => new URLSearchParams(decodeText(bytes));

function refuseForm(): never {
  throw new HttpError(415, "Send an application/x-www-form-urlencoded body.");
}
