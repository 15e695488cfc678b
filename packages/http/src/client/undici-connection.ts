/**
 * One of undici's clients: a connection that is opened when it is first used, and again if the server has closed it.
 *
 * Invariant: it is in the pool until it is dropped, and dropped once, when nothing flies on it any more.
 */
import type { Client } from "undici";
import { connecting, type Connecting } from "./connector.ts";
import { ConnectTimeout } from "./errors.ts";
import type { Host, Poolable } from "./pool.ts";
import type { Target } from "./target.ts";
import { tell } from "./trace.ts";
import type { Flight } from "./undici-flight.ts";
import type { Route, UndiciTransport } from "./undici-transport.ts";

const streamsOfHttp2 = 100;

export class Connection implements Poolable<Connection> {
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
    this.client.dispatch(flight.options, flight);
  }

  /** The flight has come to its end, and the connection is good. */
  finished(flight: Flight): void {
    if (!this.flights.delete(flight)) return;
    if (this.transport.isClosed && this.used === 1) this.drop();
    else this.transport.pool.release(this);
  }

  /** The flight is over before its end. Other streams of HTTP/2 go on, or wait for it to be opened again. */
  broken(flight: Flight): void {
    if (!this.flights.delete(flight)) return;
    if (this.isHttp2 && (this.isOpen || this.flights.size > 0)) this.transport.pool.release(this);
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
