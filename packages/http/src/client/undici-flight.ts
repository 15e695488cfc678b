/**
 * An exchange on its connection, as undici's handler. The older form of a handler is what undici calls itself; the newer
 * one is translated to it, with two objects more for each request and header fields parsed whether they are read or not.
 *
 * Invariant: a flight is in the queue, or on one connection, or over. Any call of its own may end it or send it back to the
 * queue before it returns.
 */
import type { Dispatcher } from "undici";
import { ClosedResourceError } from "@anyloop/core";
import { HttpHeaders } from "../headers.ts";
import { isReplayable } from "./body.ts";
import type { Exchange } from "./exchange.ts";
import type { Proxy } from "./proxy.ts";
import type { Target } from "./target.ts";
import type { Control } from "./transport.ts";
import type { Connection } from "./undici-connection.ts";
import { explained, isLost } from "./undici-errors.ts";
import type { Route, UndiciTransport } from "./undici-transport.ts";

const idempotent = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "QUERY"]);

export class Flight implements Control {
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
    const leaveQueue = this.transport.pool.take(this.route.key, (connection) => this.board(connection));
    // Aboard already; or it was, and waits for another connection since.
    if (leaveQueue === undefined) return;
    this.leaveQueue = leaveQueue;
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
    this.abortRequest?.(cancelled());
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
    connection.flights.add(this);
    this.exchange.assigned(this.isReused);
    // Whoever was told of it may have cancelled it.
    if (!this.isOver) connection.carry(this);
  }

  // undici's callbacks.

  onConnect(abort: (error: Error) => void): void {
    this.abortRequest = abort;
    if (this.isOver) abort(cancelled());
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

/** By this code undici takes it for no failure of the connection, with which it would fail what else is to go there. */
function cancelled(): Error {
  return Object.assign(new Error("The request was cancelled."), { code: "UND_ERR_INFO" });
}

export function sessionClosed(): ClosedResourceError {
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
