/**
 * The client: a pool of connections and what requests have in common, for as long as it is open.
 *
 * A request goes through layers, each in a file of its own: middleware of the user's, redirects, retries, authentication;
 * then, with its cookies, to the transport. Invariant: once a session is closed, no connection, timer or listener of it is left.
 */
import {
  ClosedResourceError,
  type Coroutine,
  fromPromise,
  type Operation,
  perform,
  race,
  type TaskGroup,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { closing, suspendOnHost } from "@anyloop/core/lowlevel";
import type { CookieJar } from "tough-cookie";
import type { EventStream } from "../events/index.ts";
import type { ConnectWebSocketOptions } from "../websocket/connect-framed.ts";
import type { WebSocketStream } from "../websocket/web-socket-stream.ts";
import { Authentication, basic, type Credentials } from "./authentication.ts";
import { type BodyStream, encodeBody, isBodyStream } from "./body.ts";
import { Cookies } from "./cookies.ts";
import { acceptedCodings } from "./decompress.ts";
import { Exchange } from "./exchange.ts";
import { type HeadersInit, HttpHeaders } from "../headers.ts";
import { loadTransport, type TransportName, usualTransport } from "./load-transport.ts";
import { layered, layerOf, type Middleware, type Send } from "./middleware.ts";
import { redirecting } from "./redirect.ts";
import { ClientRequest, type RequestOptions, type Settings } from "./request.ts";
import { ClientResponse } from "./response.ts";
import { policyOf, type RetryPolicy, retrying } from "./retry.ts";
import { eventsOf, type SessionEventOptions, websocketOf } from "./session-connections.ts";
import { type Target, Targets } from "./target.ts";
import { type Limits, limitsOf, type TimeoutOptions } from "./timeouts.ts";
import type { Trace } from "./trace.ts";
import type { ClientStatistics, Transport } from "./transport.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { pump, Upload } from "./upload.ts";

export interface ClientOptions extends ConnectionOptions {
  /** What the URLs of requests are relative to. */
  readonly baseUrl?: string | URL | undefined;
  /** Sent with every request. */
  readonly headers?: HeadersInit | undefined;
  /** Milliseconds for a whole request, or limits by phase. */
  readonly timeout?: number | TimeoutOptions | undefined;
  /** Most bytes of a body, after decompression; for `stream()` and `lines()` no limit if not given, else 64 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** How many redirects are followed; 10 if not given. */
  readonly maxRedirects?: number | undefined;
  /** Follows redirects from https to http. False if not given. */
  readonly allowInsecureRedirects?: boolean | undefined;
  /** A jar of one's own; false: no cookies. A jar in memory if not given. */
  readonly cookies?: CookieJar | false | undefined;
  /** For the origin of `baseUrl`; for every origin if there is no `baseUrl`. Not sent to where a redirect leads elsewhere. */
  readonly auth?: Credentials | undefined;
  /** How often requests are tried again, or a policy. Not at all if not given. */
  readonly retry?: number | RetryPolicy | undefined;
  /** The first is the outermost. */
  readonly middleware?: readonly Middleware[] | undefined;
  readonly trace?: Trace | undefined;
  /** Asks for compressed bodies, and decompresses them. True if not given. */
  readonly decompress?: boolean | undefined;
  /** "undici" where it runs, else "fetch". */
  readonly transport?: TransportName | undefined;
}

/** What connections of other kinds (websockets, event streams) take over from a session. */
export interface SessionDefaults {
  /** The URL, relative to `baseUrl`. */
  readonly url: URL;
  /** The session's header fields, with cookies and basic authentication for that URL. */
  readonly headers: HttpHeaders;
  readonly tls: ConnectionOptions["tls"];
  readonly limits: Limits;
}

/**
 * ```ts
 * import { ClientSession } from "@anyloop/http/client";
 * import { use } from "anyloop";
 *
 * const title = (url: string) =>
 *   use(new ClientSession({ timeout: 10_000 }), function* (session) {
 *     const response = yield* session.get(url);
 *     const page = yield* response.throwForStatus().text();
 *     return /<title>(.*?)<\/title>/.exec(page)?.[1];
 *   });
 * ```
 */
export class ClientSession implements AsyncDisposable {
  private readonly config: ClientOptions;
  private readonly targets: Targets;
  private readonly baseOrigin: string | undefined;
  private readonly headers: HttpHeaders;
  /** What holds for requests that say nothing else. */
  private readonly usual: Settings;
  private readonly cookies: Cookies | undefined;
  private readonly send: Send;
  private transport: Transport | undefined = undefined;
  private loading: Promise<Transport> | undefined = undefined;
  private isClosed = false;

  /** @throws UsageError for options that cannot be. */
  constructor(options: ClientOptions = {}) {
    this.config = options;
    this.targets = new Targets(options.baseUrl);
    this.baseOrigin = options.baseUrl === undefined ? undefined : new URL(options.baseUrl).origin;
    this.headers = new HttpHeaders(options.headers);
    if (
      options.decompress !== false &&
      acceptedCodings !== undefined &&
      !this.headers.has("accept-encoding")
    ) {
      this.headers.set("accept-encoding", acceptedCodings);
    }
    this.usual = {
      limits: limitsOf(options.timeout),
      deadline: Infinity,
      maxBodyBytes: options.maxBodyBytes,
      maxRedirects: options.maxRedirects ?? 10,
      allowInsecureRedirects: options.allowInsecureRedirects === true,
      decompress: options.decompress !== false,
      retry: policyOf(options.retry),
      trace: options.trace,
    };
    this.cookies = options.cookies === false ? undefined : new Cookies(options.cookies);
    const layers = (options.middleware ?? []).map(layerOf);
    layers.push(redirecting, retrying, new Authentication().layer);
    this.send = layered(layers, (request) => this.exchange(request));
  }

  get(url: string | URL, options?: RequestOptions): Operation<ClientResponse> {
    return this.request("GET", url, options);
  }

  head(url: string | URL, options?: RequestOptions): Operation<ClientResponse> {
    return this.request("HEAD", url, options);
  }

  post(url: string | URL, options?: RequestOptions): Operation<ClientResponse> {
    return this.request("POST", url, options);
  }

  put(url: string | URL, options?: RequestOptions): Operation<ClientResponse> {
    return this.request("PUT", url, options);
  }

  patch(url: string | URL, options?: RequestOptions): Operation<ClientResponse> {
    return this.request("PATCH", url, options);
  }

  delete(url: string | URL, options?: RequestOptions): Operation<ClientResponse> {
    return this.request("DELETE", url, options);
  }

  options(url: string | URL, options?: RequestOptions): Operation<ClientResponse> {
    return this.request("OPTIONS", url, options);
  }

  /**
   * Sends a request and waits for the head of its answer. Cancelled, it closes the connection it was on.
   * @throws a RequestTimeout; ConnectionFailed; BrokenResourceError; InvalidResponse; RedirectError; UsageError for what
   * cannot be sent; ClosedResourceError after `close`. A status of 400 or more is no error: see `throwForStatus`.
   */
  request(method: string, url: string | URL, options: RequestOptions = {}): Operation<ClientResponse> {
    return perform(this, this.begin, method, url, options);
  }

  /**
   * Server-sent events, over as many connections as it takes: see `EventStream`. It connects at the first `receive`.
   *
   * ```ts
   * import type { ClientSession } from "@anyloop/http/client";
   *
   * const firstPrice = (session: ClientSession) =>
   *   use(session.events("/prices"), function* (events) {
   *     const { data } = yield* events.receive();
   *     return Number(data);
   *   });
   * ```
   */
  events(url: string | URL, options: SessionEventOptions = {}): EventStream {
    return eventsOf(this, url, options);
  }

  /**
   * Opens a websocket with the session's header fields, cookies and TLS options. It is a connection of its own, which
   * closing the session does not close. @throws what `connectWebSocket` throws.
   */
  websocket(url: string | URL, options: ConnectWebSocketOptions = {}): Operation<WebSocketStream> {
    return websocketOf(this, url, options);
  }

  /** Connections and requests, now. */
  statistics(): ClientStatistics {
    return this.transport?.statistics() ?? nothing;
  }

  /** What a connection of another kind to this URL takes over from the session. */
  defaultsFor(url: string | URL): SessionDefaults {
    const resolved = this.targets.resolve(url);
    const headers = new HttpHeaders(this.headers);
    headers.delete("accept-encoding");
    // Cookies know http and https only.
    const asHttp = resolved.href.replace(/^ws/, "http");
    const cookie = this.cookies?.headerFor(asHttp);
    if (cookie !== undefined) headers.set("cookie", cookie);
    const { auth } = this.config;
    const origin = new URL(asHttp).origin;
    if (auth?.scheme === "basic" && this.isFor(origin) && !headers.has("authorization")) {
      headers.set("authorization", basic(auth));
    }
    return { url: resolved, headers, tls: this.config.tls, limits: this.usual.limits };
  }

  /**
   * Closes every connection at once, and waits until they are closed; requests that are under way fail. Takes effect even if cancelled.
   */
  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  // No generator of its own: each level that a request waits in is resumed with it.
  private begin(method: string, url: string | URL, options: RequestOptions): Coroutine<ClientResponse> {
    return this.send(this.prepare(method, url, options));
  }

  private prepare(method: string, url: string | URL, options: RequestOptions): ClientRequest {
    const target = this.targets.find(url, options.query);
    const encoded = encodeBody(options);
    const headers = new HttpHeaders(this.headers);
    if (options.headers !== undefined) headers.setAll(options.headers);
    if (encoded.type !== undefined && !headers.has("content-type")) headers.set("content-type", encoded.type);
    return new ClientRequest(
      checkedMethod(method),
      target,
      headers,
      encoded,
      this.authFor(target, options),
      this.settingsOf(options),
    );
  }

  private authFor({ origin }: Target, { auth }: RequestOptions): Credentials | undefined {
    if (auth !== undefined) return auth;
    return this.isFor(origin) ? this.config.auth : undefined;
  }

  /** Whether the session's credentials are meant for this origin. */
  private isFor(origin: string): boolean {
    return this.baseOrigin === undefined || this.baseOrigin === origin;
  }

  private settingsOf(options: RequestOptions): Settings {
    const { usual } = this;
    const { timeout, maxBodyBytes, maxRedirects, retry, trace } = options;
    const isUsual =
      usual.limits.total === Infinity &&
      timeout === undefined &&
      maxBodyBytes === undefined &&
      maxRedirects === undefined &&
      retry === undefined &&
      trace === undefined;
    if (isUsual) return usual;
    const limits = limitsOf(timeout, usual.limits);
    return {
      ...usual,
      limits,
      deadline: limits.total === Infinity ? Infinity : performance.now() + limits.total,
      maxBodyBytes: maxBodyBytes ?? usual.maxBodyBytes,
      maxRedirects: maxRedirects ?? usual.maxRedirects,
      retry: retry === undefined ? usual.retry : policyOf(retry),
      trace: trace ?? usual.trace,
    };
  }

  /** The innermost of the layers: one request on the wire. Until the caller has the response, the exchange is ours to end. */
  private *exchange(wanted: ClientRequest): Coroutine<ClientResponse> {
    const { cookies } = this;
    const request = cookies === undefined ? wanted : cookies.attach(wanted);
    const transport = this.transport ?? (yield* this.load());
    const { content } = request.encoded;
    let exchange: Exchange;
    if (isBodyStream(content)) {
      const upload = new Upload();
      exchange = new Exchange(transport, request, upload);
      yield* orAbandon(exchange, this.upload(exchange, content, upload));
    } else {
      exchange = new Exchange(transport, request, content);
      yield* exchange.head();
    }
    const response = new ClientResponse(request, exchange);
    if (cookies !== undefined && response.headers.has("set-cookie")) {
      yield* orAbandon(exchange, cookies.keep(response));
    }
    return response;
  }

  /** While the body is sent, what is answered already is kept here: a server that waits for us to read would not read. */
  private *upload(exchange: Exchange, source: BodyStream, upload: Upload): Coroutine<void> {
    exchange.isUnbounded = true;
    yield* taskGroup((group) => sending(exchange, source, upload, group));
    exchange.isUnbounded = false;
  }

  private *load(): Coroutine<Transport> {
    const { transport = usualTransport() } = this.config;
    this.loading ??= loadTransport(transport, this.config, this.usual.limits.connect);
    const loaded = yield* fromPromise(this.loading);
    if (this.isClosed)
      throw new ClosedResourceError("The session was closed before. Send requests before you close it.");
    this.transport ??= loaded;
    return loaded;
  }

  private *doClose(): Coroutine<void> {
    let isDown = this.transport === undefined;
    let whenDown = (): void => {};
    yield* closing(() => {
      this.isClosed = true;
      this.transport?.close(() => {
        isDown = true;
        whenDown();
      });
    });
    if (isDown) return;
    yield* suspendOnHost((waiter) => {
      whenDown = () => waiter.resume();
      return () => {
        whenDown = () => {};
        return true;
      };
    });
  }
}

const nothing: ClientStatistics = { connections: 0, idle: 0, active: 0, waiting: 0, closing: 0 };

/** What is done with an exchange that nobody else knows yet. */
function* orAbandon(exchange: Exchange, work: Coroutine<void>): Coroutine<void> {
  try {
    yield* work;
  } catch (error) {
    exchange.abandon(error);
    throw error;
  }
}

/** Ends when the body was sent, or the server has said all it has to say without hearing the rest. */
function* sending(exchange: Exchange, source: BodyStream, upload: Upload, group: TaskGroup): Coroutine<void> {
  const task = group.startSoon(pump(source, upload));
  yield* exchange.head();
  yield* race([task.wait(), exchange.settled()]);
  task.cancel();
}

function checkedMethod(method: string): string {
  // A tunnel is no request: see the option `proxy`.
  if (/^[A-Z][A-Z-]*$/.test(method) && method !== "CONNECT") return method;
  throw new UsageError(
    `${JSON.stringify(method)} is no method of HTTP. Write it in capitals: GET, POST, PROPFIND, …`,
  );
}
