/**
 * A server: an application, an address, and the order in which it comes and goes.
 *
 * Invariant, aiohttp's order: what the application provides is there before the first connection is accepted. At the end
 * nothing new is accepted, idle connections are closed, requests under way get their time and are then cancelled, and only
 * when the last handler has ended is what was provided taken down. Cancelling the operation begins exactly that.
 */
import type { ServerResponse as NodeResponse } from "node:http";
import type { Duplex } from "node:stream";
import {
  type ByteStream,
  type Coroutine,
  Event,
  type Listener,
  moveOnAfter,
  type Operation,
  operation,
  perform,
  shield,
  sleep,
  type TaskGroup,
  taskGroup,
  type TaskStatus,
} from "@anyloop/core";
import type { InternetAddress, TlsServerOptions } from "@anyloop/io";
import type { AccessLog } from "./access-log.ts";
import type { Application } from "./application.ts";
import { ByteStreamDuplex } from "./byte-stream-duplex.ts";
import { Connection, type ConnectionHome } from "./connection.ts";
import type { Incoming } from "./incoming.ts";
import { type Limits, limitsOf } from "./limits.ts";
import { NodeServer, type NodeServerHome } from "./node-server.ts";
import { refusal } from "./refusal.ts";
import { Startup } from "./provided.ts";
import { ServerRequest } from "./request.ts";
import type { Router } from "./router.ts";
import type { Storage } from "./storage.ts";

export interface ServeOptions {
  /** The port; 0, the default, takes a free one. */
  readonly port?: number | undefined;
  /** A name or address of this machine; all of its addresses if not given. */
  readonly host?: string | undefined;
  /** The path of a Unix socket, instead of host and port. */
  readonly path?: string | undefined;
  /** Connections from anywhere else, instead of a port: of a memory network, or through TLS of our own. */
  readonly listener?: Listener<ByteStream> | undefined;
  /** Serves HTTPS: a key and its certificate. */
  readonly tls?: TlsServerOptions | undefined;
  /** What clients may ask of the server; each limit that is not given has its default. */
  readonly limits?: Partial<Limits> | undefined;
  /** Milliseconds that requests under way get to end in when the server is to end; 10 000 if not given. */
  readonly shutdownTime?: number | undefined;
  /** Told of every request once it is over. */
  readonly accessLog?: AccessLog | undefined;
  /** Told what a handler threw, if it was no `HttpError`. Logs to the console if not given. */
  readonly onError?: ((error: unknown, request: ServerRequest | undefined) => void) | undefined;
}

/** A server that listens. */
export interface Serving {
  /** Where it listens; undefined for a Unix socket or a listener of one's own. */
  readonly address: InternetAddress | undefined;
  /** For requests from this machine: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Begins to shut down, as cancelling does; `serve` then ends without an error. */
  stop(): void;
  statistics(): ServerStatistics;
}

export interface ServerStatistics {
  /** Connections that are open, or whose last handler has not ended. */
  readonly connections: number;
  /** Requests that are being answered. */
  readonly active: number;
  /** Requests that were begun since the start. */
  readonly requests: number;
}

/** A connection that has been idle for so many rounds of the same length is closed: `idleTime` is that many rounds. */
const idleRounds = 4;

const connectionName = { name: "connection" };

class HttpServer implements ConnectionHome, NodeServerHome, Serving {
  readonly router: Router;
  readonly storage: Storage;
  readonly limits: Limits;
  readonly bodyLimit: number;
  readonly keepAlive: string;
  readonly accessLog: AccessLog | undefined;
  readonly counts = { requests: 0, active: 0 };
  readonly stopping = new Event();
  readonly listening = new Event();
  address: InternetAddress | undefined = undefined;
  private readonly options: ServeOptions;
  private readonly sockets: NodeServer;
  private readonly open = new Map<Duplex, Connection>();
  private readonly startup: Startup;
  private group: TaskGroup | undefined = undefined;
  /** Set when the next connection has ended. */
  private endedOne = new Event();

  constructor(app: Application, options: ServeOptions) {
    this.router = app;
    this.storage = app.storage;
    this.options = options;
    this.limits = limitsOf(options.limits);
    this.bodyLimit = this.limits.bodySize;
    const seconds = Math.floor(this.limits.idleTime / 1_000);
    this.keepAlive =
      "connection: keep-alive\r\n" +
      (seconds > 0 && seconds < Infinity ? `keep-alive: timeout=${String(seconds)}\r\n` : "");
    this.accessLog = options.accessLog;
    this.sockets = new NodeServer(this, this.limits, options);
    this.startup = new Startup(app, () => this.listen());
  }

  get url(): string {
    const { address, options } = this;
    const scheme = options.tls === undefined ? "http" : "https";
    if (address === undefined) return `${scheme}://localhost`;
    const { host, port, family } = address;
    const reachable =
      host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "localhost" : family === 6 ? `[${host}]` : host;
    return `${scheme}://${reachable}:${String(port)}`;
  }

  /** Begins the orderly end. Again does nothing. */
  stop(): void {
    this.stopping.set();
    this.startup.callOff();
  }

  statistics(): ServerStatistics {
    return { connections: this.open.size, ...this.counts };
  }

  report(error: unknown, request: ServerRequest | undefined): void {
    try {
      (this.options.onError ?? logError)(error, request);
    } catch (hookError) {
      console.error("onError failed:", hookError);
    }
  }

  /** From the first thing provided to the last one taken down. Nothing outside cancels it: `stop` does, in order. */
  *run(): Coroutine<void> {
    yield* this.startup.run();
  }

  private *listen(): Coroutine<void> {
    try {
      yield* taskGroup((group) => this.accept(group), { name: "connections" });
    } finally {
      this.sockets.close();
    }
  }

  private *accept(group: TaskGroup): Coroutine<void> {
    this.group = group;
    const { listener, shutdownTime = 10_000 } = this.options;
    const accepting =
      listener === undefined
        ? undefined
        : group.startSoon(() => this.acceptFrom(listener), { name: "accepting" });
    if (listener === undefined) this.address = yield* this.sockets.listen();
    const rounds = group.startSoon(closeIdle(this), { name: "idle connections", daemon: true });
    try {
      this.listening.set();
      yield* this.stopping.wait();
    } finally {
      this.sockets.stopListening();
      accepting?.cancel("the server is to end");
    }
    this.closeIdleConnections(0);
    yield* moveOnAfter(shutdownTime, () => this.allEnded());
    rounds.cancel();
    group.cancel("the server has ended");
  }

  /** @internal A connection that has been idle for more than so many rounds has waited long enough. */
  closeIdleConnections(rounds: number): void {
    for (const connection of this.open.values()) {
      if (!connection.isIdle || connection.idleRounds++ < rounds) continue;
      // A client that does not even take the rest of what was sent gets as long again.
      if (connection.idleRounds > 2 * idleRounds) connection.socket.destroy();
      else connection.end();
    }
  }

  private *allEnded(): Coroutine<void> {
    while (this.open.size > 0) {
      this.endedOne = new Event();
      yield* this.endedOne.wait();
    }
  }

  /** @internal */
  connected(socket: Duplex): Connection {
    const connection = new Connection(socket, this);
    // What is no socket of the runtime's the runtime has not counted.
    const isTooMany = this.open.size >= this.limits.connections;
    if (this.stopping.isSet || this.group === undefined || isTooMany) {
      socket.destroy();
      return connection;
    }
    this.open.set(socket, connection);
    this.group.startSoon(perform(this, this.live, connection), connectionName);
    return connection;
  }

  private *live(connection: Connection): Coroutine<void> {
    try {
      yield* connection.live();
    } finally {
      this.open.delete(connection.socket);
      this.endedOne.set();
    }
  }

  /** @internal */
  arrived(raw: Incoming, response: NodeResponse, expectContinue?: () => void): void {
    const connection = this.open.get(raw.socket) ?? this.connected(raw.socket);
    connection.arrive(new ServerRequest(raw, connection, expectContinue), response);
  }

  /** @internal */
  upgraded(raw: Incoming, socket: Duplex, head: Buffer): void {
    // The parser has let go of it: errors are nobody's any more, and the close that follows says enough.
    socket.on("error", () => {});
    const connection = this.open.get(socket) ?? this.connected(socket);
    const request = new ServerRequest(raw, connection);
    // Older runtimes do not ask first: what needs no more than it has said is served as if it had not offered.
    if (this.upgrades(raw) || !raw.isWhole) request.upgrade = { socket, head };
    connection.arrive(request, undefined);
  }

  /** @internal A client that offers another protocol where we speak only ours is served as if it had not. */
  upgrades(raw: Incoming): boolean {
    const [path = ""] = (raw.url ?? "").split("?");
    try {
      return this.router.upgrades(path);
    } catch {
      return false;
    }
  }

  /** @internal */
  refuse(error: Error, socket: Duplex): void {
    const text = refusal(error);
    const connection = this.open.get(socket);
    if (text === undefined || !socket.writable || connection === undefined) socket.destroy();
    else connection.refuse(text);
  }

  private *acceptFrom(listener: Listener<ByteStream>): Coroutine<void> {
    try {
      yield* listener.serve((stream) => shield(() => this.carry(stream)));
    } finally {
      yield* shield(listener.close());
    }
  }

  private *carry(stream: ByteStream): Coroutine<void> {
    const duplex = new ByteStreamDuplex(stream);
    duplex.on("error", () => {});
    this.sockets.carry(duplex);
    yield* duplex.carry();
  }
}

const closeIdle: (server: HttpServer) => Operation<void> = operation(function* closeIdle(
  server: HttpServer,
): Coroutine<void> {
  const period = server.limits.idleTime / idleRounds;
  if (period === Infinity) return;
  for (;;) {
    yield* sleep(period);
    server.closeIdleConnections(idleRounds);
  }
});

function logError(error: unknown, request: ServerRequest | undefined): void {
  console.error(
    request === undefined ? "The server met an error:" : `${request.method} ${request.path} failed:`,
    error,
  );
}

/**
 * Serves an application until it is cancelled, or until `stop` is called.
 *
 * Given a status it says when it listens, and where:
 *
 * ```ts
 * import { fromPromise, taskGroup } from "anyloop";
 * import { Application, serve, type Serving, ServerResponse } from "@anyloop/http/server";
 * const app = new Application().get("/", () => ServerResponse.text("hello"));
 * await taskGroup(function* (group) {
 *   const { url } = yield* group.start<Serving>((status) => serve(app, { host: "127.0.0.1" }, status));
 *   const response = yield* fromPromise(() => fetch(url));
 *   console.log(yield* fromPromise(response.text())); // hello
 *   group.cancel();
 * });
 * ```
 *
 * @throws BindError if it cannot listen there; what a provider fails with.
 */
export function serve(
  app: Application,
  options: ServeOptions = {},
  status?: TaskStatus<Serving>,
): Operation<void> {
  return serveApplication(new HttpServer(app, options), status);
}

const serveApplication: (server: HttpServer, status: TaskStatus<Serving> | undefined) => Operation<void> =
  operation(function* serve(server: HttpServer, status: TaskStatus<Serving> | undefined): Coroutine<void> {
    yield* taskGroup((group) => supervise(group, server, status), { name: "server" });
  });

function* supervise(
  group: TaskGroup,
  server: HttpServer,
  status: TaskStatus<Serving> | undefined,
): Coroutine<void> {
  const task = group.startSoon(
    shield(() => server.run()),
    { name: "serving" },
  );
  try {
    yield* server.listening.wait();
    status?.started(server);
    yield* task.wait();
  } finally {
    server.stop();
  }
}
