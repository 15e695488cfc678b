/**
 * The server of `node:http` underneath: how it is set up, how it begins to listen, and how it stops.
 *
 * Invariant: once it is closed no socket of it is left, whether or not it ever became a connection.
 */
import { createServer, type Server, type ServerResponse as NodeResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, Server as SocketServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Coroutine } from "@anyloop/core";
import { suspendOnHost } from "@anyloop/core/lowlevel";
import { BindError, type InternetAddress, type TlsServerOptions } from "@anyloop/io";
import { Incoming } from "./incoming.ts";
import type { Limits } from "./limits.ts";

/** Who is told of what comes. */
export interface NodeServerHome {
  connected(socket: Duplex): void;
  arrived(raw: Incoming, response: NodeResponse, expectContinue?: () => void): void;
  upgraded(raw: Incoming, socket: Duplex, head: Buffer): void;
  /** Whether a request for another protocol may have it. */
  upgrades(raw: Incoming): boolean;
  /** What came is no request. */
  refuse(error: Error, socket: Duplex): void;
  report(error: unknown, request: undefined): void;
}

/** Where to listen, and whether with TLS. */
export interface ListenOptions {
  readonly port?: number | undefined;
  readonly host?: string | undefined;
  readonly path?: string | undefined;
  readonly tls?: TlsServerOptions | undefined;
}

/** How often `node:http` looks for requests that are late, in milliseconds. */
const lateCheck = 1_000;

export class NodeServer {
  private readonly home: NodeServerHome;
  private readonly options: ListenOptions;
  private readonly raw: Server;
  /** Sockets below TLS: one that never shakes hands is no connection, and must not outlive us. */
  private readonly belowTls = new Set<Socket>();

  constructor(home: NodeServerHome, limits: Limits, options: ListenOptions) {
    this.home = home;
    this.options = options;
    this.raw = this.make(limits, options.tls);
    // Counted by us: left to the runtime, fields past its count are dropped without a word.
    this.raw.maxHeadersCount = 0;
    if (limits.connections < Infinity) this.raw.maxConnections = limits.connections;
    this.attach(options.tls === undefined ? "connection" : "secureConnection");
  }

  /** Gives the address; undefined for a Unix socket. @throws BindError. */
  *listen(): Coroutine<InternetAddress | undefined> {
    const { raw, home } = this;
    const { port = 0, host, path } = this.options;
    const place = path ?? `${host ?? "every address"}, port ${String(port)}`;
    try {
      yield* suspendOnHost((waiter) => {
        raw.once("error", (error) => waiter.fail(error));
        raw.listen(path === undefined ? { port, host } : { path }, () => {
          raw.removeAllListeners("error");
          raw.on("error", (error) => home.report(error, undefined));
          waiter.resume();
        });
      });
    } catch (error) {
      throw new BindError(`Listening on ${place} failed`, error);
    }
    if (path !== undefined) return undefined;
    const bound = raw.address() as AddressInfo;
    return { host: bound.address, port: bound.port, family: bound.address.includes(":") ? 6 : 4 };
  }

  /** Serves a connection that came in another way. */
  carry(connection: Duplex): void {
    this.raw.emit("connection", connection);
  }

  /**
   * Nothing more is accepted. The `close` of `node:http` would break connections off as well on which the end of a
   * response is still on its way: to it a response is over once it was handed over.
   */
  stopListening(): void {
    const { raw } = this;
    if (raw instanceof SocketServer) SocketServer.prototype.close.call(raw);
    else (raw as Server).close();
  }

  /** Nothing is under way any more. */
  close(): void {
    this.raw.close();
    for (const socket of this.belowTls) socket.destroy();
  }

  private make(limits: Limits, tls: TlsServerOptions | undefined): Server {
    const settings = {
      IncomingMessage: Incoming,
      maxHeaderSize: limits.headerSize,
      headersTimeout: finite(Math.min(limits.headerTime, limits.requestTime)),
      requestTimeout: finite(limits.requestTime),
      connectionsCheckingInterval: Math.min(lateCheck, limits.headerTime),
      // Ours: one look at all connections now and then is cheaper than a timer for each response.
      keepAliveTimeout: 0,
      noDelay: true,
      shouldUpgradeCallback: (request: Incoming) => this.home.upgrades(request),
    };
    if (tls === undefined) return createServer<typeof Incoming>(settings);
    const handshakeTimeout = finite(limits.headerTime);
    const secure = createSecureServer<typeof Incoming>({ ...settings, ...tlsOf(tls), handshakeTimeout });
    secure.on("connection", (socket: Socket) => {
      this.belowTls.add(socket);
      socket.once("close", () => this.belowTls.delete(socket));
    });
    secure.on("tlsClientError", (_error: Error, socket: Duplex) => socket.destroy());
    return secure;
  }

  private attach(connection: "connection" | "secureConnection"): void {
    const { raw, home } = this;
    raw.on(connection, (socket: Duplex) => home.connected(socket));
    raw.on("request", (request: Incoming, response) => home.arrived(request, response));
    raw.on("checkContinue", (request: Incoming, response: NodeResponse) => {
      home.arrived(request, response, () => response.writeContinue());
    });
    raw.on("upgrade", (request: Incoming, socket: Duplex, head: Buffer) =>
      home.upgraded(request, socket, head),
    );
    raw.on("clientError", (error, socket) => home.refuse(error, socket));
  }
}

function finite(milliseconds: number): number {
  return milliseconds === Infinity ? 0 : milliseconds;
}

function tlsOf({ alpn = ["http/1.1"], ...context }: TlsServerOptions): object {
  return { ...context, ALPNProtocols: alpn };
}
