/**
 * HTTP/1.1 and HTTP/2 by undici: its `Client` is one connection each, the pool above them is ours. It has limits in total,
 * is first come, first served across hosts, and knows of every connection that is opened, used and closed.
 *
 * Invariant: an exchange that fails or is aborted takes its HTTP/1.1 connection with it; only what has come to its end
 * leaves one to the next.
 */
import type * as Dns from "node:dns";
import type * as Undici from "undici";
import type { buildConnector as BuildConnector, Client, Dispatcher } from "undici";
import { ClosedResourceError } from "@anyloop/core";
import { isReplayable } from "./body.ts";
import { connecting, type Connecting, type TlsOptions } from "./connector.ts";
import { cachedLookup } from "./dns-cache.ts";
import { ConnectTimeout } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { HttpHeaders } from "../headers.ts";
import { type Host, Pool, type Poolable } from "./pool.ts";
import { type Proxy, proxyFinder, type ProxyOptions } from "./proxy.ts";
import type { Target } from "./target.ts";
import { tell } from "./trace.ts";
import { explained, isLost } from "./undici-errors.ts";
import type { ClientStatistics, Control, Transport } from "./transport.ts";

/** How a session connects. */
export interface ConnectionOptions {
  /** Most connections, to all hosts together. 100 if not given. */
  readonly maxConnections?: number | undefined;
  /** Most connections to one host (scheme, name and port). No limit of its own if not given. */
  readonly maxConnectionsPerHost?: number | undefined;
  /** Milliseconds for which an idle connection is kept, unless the server says less. 4 000 if not given. */
  readonly keepAlive?: number | undefined;
  /** Milliseconds for which the addresses of a host name are remembered; 0: not at all. 10 000 if not given. */
  readonly dnsCache?: number | undefined;
  /** Speaks HTTP/2 with servers that offer it over TLS. True if not given. */
  readonly http2?: boolean | undefined;
  readonly tls?: TlsOptions | undefined;
  /** Path of a Unix socket to which every connection goes, whatever host the URL names. */
  readonly socketPath?: string | undefined;
  /** URL of a proxy; "environment" (if not given) goes by `http_proxy`, `https_proxy`, `no_proxy`; false: none. */
  readonly proxy?: ProxyOptions | undefined;
  /** Most bytes of header fields that a server may send. 16 384 if not given. */
  readonly maxHeaderBytes?: number | undefined;
}

export interface UndiciModules {
  readonly undici: typeof Undici;
  readonly dns: typeof Dns;
}

const streamsOfHttp2 = 100;
const mostRoutes = 1_000;
const idempotent = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "QUERY"]);

/** What a connection leads to; the pool's key stands for it. */
interface Route {
  readonly key: string;
  readonly target: Target;
  readonly proxy: Proxy | undefined;
}

export class UndiciTransport implements Transport {
  readonly modules: UndiciModules;
  readonly options: ConnectionOptions;
  readonly pool: Pool<Connection>;
  readonly connectTimeout: number;
  readonly make: BuildConnector.connector;
  readonly secure: BuildConnector.connector;
  closing = 0;
  private readonly findProxy: (target: Target) => Proxy | undefined;
  private readonly routes = new Map<string, Route>();
  readonly connections = new Set<Connection>();
  /** Those that wait for a connection. */
  readonly queue = new Set<Flight>();
  private closed: (() => void)[] | undefined = undefined;

  constructor(modules: UndiciModules, options: ConnectionOptions, connectTimeout: number) {
    const { undici, dns } = modules;
    this.modules = modules;
    this.options = options;
    this.connectTimeout = connectTimeout;
    const { maxConnections = 100, maxConnectionsPerHost = Infinity } = options;
    const limits = { total: maxConnections, perHost: maxConnectionsPerHost };
    this.pool = new Pool(limits, (host) => new Connection(this, host, this.routes.get(host.key) as Route));
    this.findProxy = proxyFinder(
      options.socketPath === undefined ? (options.proxy ?? "environment") : false,
      process.env,
    );
    const { dnsCache = 10_000, tls = {}, http2 = true, socketPath } = options;
    const shared = {
      ...tls,
      timeout: 0,
      ...(dnsCache > 0 ? { lookup: cachedLookup(dns.lookup, dnsCache) } : {}),
    } as BuildConnector.BuildOptions;
    this.make = undici.buildConnector({
      ...shared,
      allowH2: http2,
      ...(socketPath === undefined ? {} : { socketPath }),
    });
    // Inside a tunnel the socket is there already, and an address to look up is not.
    this.secure = undici.buildConnector({
      ...tls,
      timeout: 0,
      allowH2: http2,
    });
  }

  begin(exchange: Exchange): Control {
    const flight = new Flight(this, exchange, this.routeOf(exchange.request.target));
    flight.take();
    return flight;
  }

  statistics(): ClientStatistics {
    const { total, idle, active, waiting } = this.pool;
    return { connections: total, idle, active, waiting, closing: this.closing };
  }

  close(closed: () => void): void {
    (this.closed ??= []).push(closed);
    const flights = [...this.queue, ...[...this.connections].flatMap(({ flights }) => [...flights])];
    for (const { exchange } of flights) exchange.abandon(sessionClosed());
    for (const connection of this.connections) connection.retire();
    this.settle();
  }

  get isClosed(): boolean {
    return this.closed !== undefined;
  }

  /** A connection has been closed. */
  settle(): void {
    if (this.closed === undefined || this.closing > 0 || this.pool.total > 0) return;
    for (const closed of this.closed.splice(0)) closed();
  }

  private routeOf(target: Target): Route {
    const known = this.routes.get(target.origin);
    if (known !== undefined) return known;
    const proxy = this.findProxy(target);
    // Through a proxy, plain requests to all hosts share its connections.
    const key = proxy !== undefined && target.protocol === "http:" ? proxy.url.origin : target.origin;
    const route = { key, target, proxy };
    if (this.routes.size >= mostRoutes) this.forgetRoutes();
    this.routes.set(target.origin, route);
    this.routes.set(key, route);
    return route;
  }

  /** A program that visits the whole web keeps only the routes that are in use. */
  private forgetRoutes(): void {
    for (const key of this.routes.keys()) if (!this.pool.has(key)) this.routes.delete(key);
  }
}

/** One of undici's clients: a connection that is opened when it is first used, and again if the server has closed it. */
class Connection implements Poolable<Connection> {
  capacity = 1;
  used = 0;
  readonly host: Host<Connection>;
  readonly client: Client;
  isOpen = false;
  private readonly transport: UndiciTransport;
  private readonly sockets: Connecting;
  readonly flights = new Set<Flight>();
  private isGone = false;

  constructor(transport: UndiciTransport, host: Host<Connection>, { target, proxy }: Route) {
    this.transport = transport;
    this.host = host;
    const { options, modules, connectTimeout, make, secure } = transport;
    const isTunnel = proxy !== undefined && target.protocol === "https:";
    const port = target.host === target.hostname ? ":443" : "";
    const tunnel = isTunnel ? { proxy, authority: target.host + port } : undefined;
    this.sockets = connecting(make, secure, tunnel, connectTimeout, () => this.timeoutError(target), {
      started: () => this.tellAll("connecting"),
      connected: () => this.tellAll("connected"),
      secured: (protocol) => {
        for (const { exchange } of this.flights) tell(exchange.trace, "secured", exchange, protocol);
      },
    });
    const { keepAlive, maxHeaderBytes } = options;
    this.client = new modules.undici.Client(
      proxy !== undefined && !isTunnel ? proxy.url.origin : target.origin,
      {
        connect: this.sockets.connect,
        headersTimeout: 0,
        bodyTimeout: 0,
        ...(keepAlive === undefined ? {} : { keepAliveTimeout: keepAlive }),
        ...(maxHeaderBytes === undefined ? {} : { maxHeaderSize: maxHeaderBytes }),
        allowH2: options.http2 !== false,
        pipelining: 1,
      },
    );
    transport.connections.add(this);
    this.client.on("connect", () => this.connected());
    this.client.on("disconnect", () => this.disconnected());
  }

  get isHttp2(): boolean {
    return this.capacity > 1;
  }

  carry(flight: Flight): void {
    this.flights.add(flight);
    this.client.dispatch(flight.options, flight);
  }

  /** The flight has come to its end, and the connection is good. */
  finished(flight: Flight): void {
    if (!this.flights.delete(flight)) return;
    if (this.transport.isClosed && this.used === 1) this.drop();
    else this.transport.pool.release(this);
  }

  /** The flight is over before its end. Other streams of HTTP/2 go on. */
  broken(flight: Flight): void {
    if (!this.flights.delete(flight)) return;
    if (this.isHttp2 && this.isOpen) this.transport.pool.release(this);
    else this.drop();
  }

  retire(): void {
    this.drop();
  }

  private connected(): void {
    this.isOpen = true;
    const { pool } = this.transport;
    for (const { exchange } of this.flights) exchange.connected();
    if (!this.speaksHttp2()) {
      // Connected again, to a server that has forgotten HTTP/2: one after the other then.
      this.client.pipelining = 1;
      return;
    }
    if (this.isHttp2) return;
    this.capacity = streamsOfHttp2;
    this.client.pipelining = streamsOfHttp2;
    pool.widened(this);
  }

  private speaksHttp2(): boolean {
    return this.sockets.protocol() === "h2";
  }

  private disconnected(): void {
    this.isOpen = false;
    // With somebody's request still to be sent undici connects again.
    if (this.used === 0) this.drop();
  }

  private drop(): void {
    if (this.isGone) return;
    this.isGone = true;
    const { transport } = this;
    transport.connections.delete(this);
    transport.closing++;
    const closed = (): void => {
      transport.closing--;
      transport.settle();
    };
    // What is open undici closes, and must know why (it fails on a socket of HTTP/2 that was closed behind its back); of
    // what is still being opened it knows nothing.
    if (this.isOpen) {
      this.client.destroy(null, closed);
    } else {
      this.sockets.destroy(closed);
      this.client.destroy(null, () => {});
    }
    transport.pool.forget(this);
  }

  private tellAll(hook: "connecting" | "connected"): void {
    for (const { exchange } of this.flights) tell(exchange.trace, hook, exchange);
  }

  private timeoutError({ host }: Target): ConnectTimeout {
    return new ConnectTimeout(host, this.transport.connectTimeout);
  }
}

/**
 * An exchange on its connection, as undici's handler. The older form of a handler is what undici calls itself; the newer
 * one is translated to it, with two objects more for each request and header fields parsed whether they are read or not.
 */
class Flight implements Control {
  readonly exchange: Exchange;
  readonly options: Dispatcher.DispatchOptions;
  private readonly transport: UndiciTransport;
  private readonly route: Route;
  private connection: Connection | undefined = undefined;
  private isOver = false;
  private isReused = false;
  private hasRetried = false;
  private leaveQueue: (() => void) | undefined = undefined;
  private abortRequest: ((error: Error) => void) | undefined = undefined;
  private resumeResponse: (() => void) | undefined = undefined;

  constructor(transport: UndiciTransport, exchange: Exchange, route: Route) {
    this.transport = transport;
    this.exchange = exchange;
    this.route = route;
    const { method, target, headers } = exchange.request;
    const { body } = exchange;
    const isProxied = route.proxy !== undefined && target.protocol === "http:";
    this.options = {
      method,
      path: isProxied ? target.href : target.path,
      headers: isProxied ? proxied(headers, target, route.proxy) : headers.list,
      body: (body ?? null) as Dispatcher.DispatchOptions["body"],
      // Says no more than that it need not wait for the other streams of an HTTP/2 connection.
      idempotent: true,
    } as Dispatcher.DispatchOptions;
  }

  take(): void {
    if (this.transport.isClosed) {
      this.isOver = true;
      this.exchange.failed(sessionClosed());
      return;
    }
    this.leaveQueue = this.transport.pool.take(this.route.key, (connection) => this.board(connection));
    if (this.leaveQueue === undefined) return;
    this.transport.queue.add(this);
    this.exchange.queued();
  }

  abort(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.leaveQueue?.();
    this.transport.queue.delete(this);
    const { connection } = this;
    if (connection === undefined) return;
    this.abortRequest?.(new Error("The request was cancelled."));
    connection.broken(this);
  }

  resume(): void {
    this.resumeResponse?.();
  }

  private board(connection: Connection): void {
    if (this.leaveQueue !== undefined) this.transport.queue.delete(this);
    this.leaveQueue = undefined;
    this.connection = connection;
    this.isReused = connection.isOpen;
    this.exchange.assigned(this.isReused);
    connection.carry(this);
  }

  // undici's callbacks.

  onConnect(abort: (error: Error) => void): void {
    this.abortRequest = abort;
    if (this.isOver) abort(new Error("The request was cancelled."));
    else this.exchange.connected();
  }

  onRequestSent(): void {
    if (!this.isOver) this.exchange.sent();
  }

  onHeaders(status: number, raw: readonly Uint8Array[], resume: () => void): boolean {
    // 1xx: the answer is still to come.
    if (status < 200 || this.isOver) return true;
    this.resumeResponse = resume;
    this.exchange.answered(status, HttpHeaders.received(decoded(raw)));
    return true;
  }

  onData(chunk: Uint8Array): boolean {
    return this.isOver || this.exchange.data(chunk);
  }

  onComplete(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.connection?.finished(this);
    this.exchange.ended();
  }

  onUpgrade(): void {
    throw new Error("The server changed the protocol, which nobody had asked for.");
  }

  onError(error: Error): void {
    if (this.isOver) return;
    const { connection, exchange } = this;
    if (this.wasLeftIdleTooLong(error)) {
      this.hasRetried = true;
      this.connection = undefined;
      this.abortRequest = undefined;
      connection?.broken(this);
      this.take();
      return;
    }
    this.isOver = true;
    const isConnected = connection?.isOpen === true || this.abortRequest !== undefined;
    connection?.broken(this);
    exchange.failed(explained(exchange, error, isConnected));
  }

  /** The server closed an idle connection in the moment in which it was used again: nothing of the request was handled. */
  private wasLeftIdleTooLong(error: Error): boolean {
    const { body } = this.exchange;
    const { method } = this.exchange.request;
    if (!this.isReused || this.hasRetried || this.exchange.status !== 0 || !idempotent.has(method))
      return false;
    return isReplayable(body) && isLost(error);
  }
}

function sessionClosed(): ClosedResourceError {
  return new ClosedResourceError("The session was closed. Read what you asked for before you close it.");
}

function decoded(raw: readonly Uint8Array[]): string[] {
  const list: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    list.push(
      (raw[at] as Buffer).toString("latin1").toLowerCase(),
      (raw[at + 1] as Buffer).toString("latin1"),
    );
  }
  return list;
}

function proxied(headers: HttpHeaders, target: Target, proxy: Proxy | undefined): string[] {
  const authorization = proxy?.authorization;
  const proof = authorization === undefined ? [] : ["proxy-authorization", authorization];
  return ["host", target.host, ...proof, ...headers.list];
}
