/**
 * HTTP/1.1 and HTTP/2 by undici: its `Client` is one connection each, the pool above them is ours. It has limits in total,
 * is first come, first served across hosts, and knows of every connection that is opened, used and closed.
 *
 * Invariant: an exchange that fails or is aborted takes its HTTP/1.1 connection with it; only what has come to its end
 * leaves one to the next.
 */
import type * as Dns from "node:dns";
import type * as Undici from "undici";
import type { buildConnector as BuildConnector } from "undici";
import type { ConnectionOptions } from "./connection-options.ts";
import { cachedLookup } from "./dns-cache.ts";
import type { Exchange } from "./exchange.ts";
import { Pool } from "./pool.ts";
import { type Proxy, proxyFinder } from "./proxy.ts";
import type { Target } from "./target.ts";
import type { ClientStatistics, Control, Transport } from "./transport.ts";
import { Connection } from "./undici-connection.ts";
import { Flight, sessionClosed } from "./undici-flight.ts";

export interface UndiciModules {
  readonly undici: typeof Undici;
  readonly dns: typeof Dns;
}

const mostRoutes = 1_000;

/** What a connection leads to; the pool's key stands for it. */
export interface Route {
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
