/**
 * One connection: a task that lives as long as the socket, and below its scope a task for each request.
 *
 * Invariant: the requests of a connection are answered one after the other, in the order in which they came; once the
 * socket is closed none is begun, and once the task has ended the socket is destroyed.
 */
import type { ServerResponse as NodeResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
  BrokenResourceError,
  cancellationPending,
  type Coroutine,
  Event,
  isCancelled,
  moveOnAfter,
  type Operation,
  perform,
  type Task,
  type TaskGroup,
  taskGroup,
} from "@anyloop/core";
import { Deque } from "@anyloop/core/lowlevel";
import type { AccessLog } from "./access-log.ts";
import { headOf } from "./head.ts";
import { HttpError } from "./http-error.ts";
import type { Limits } from "./limits.ts";
import type { RequestHome, ServerHome, ServerRequest } from "./request.ts";
import { ServerResponse, type StreamSource } from "./response.ts";
import type { Route, Router } from "./router.ts";
import { wrongHead } from "./wrong-head.ts";
import { closeSource, type Destination, sendBare, sendStream, sendWhole, taken } from "./send.ts";
import { answered } from "./handle.ts";

/** What connections share. */
export interface ConnectionHome extends ServerHome {
  readonly router: Router;
  readonly limits: Limits;
  readonly keepAlive: string;
  readonly accessLog: AccessLog | undefined;
  readonly counts: { requests: number; active: number };
  report(error: unknown, request: ServerRequest | undefined): void;
}

/** Requests that may wait behind the one that is answered before we stop reading. */
const pipelineLimit = 16;
/** Milliseconds in which a client that was refused in the midst of its body can read why. */
const lingerTime = 1_000;
/** The client has gone before it was answered: nginx's own status, for logs. */
const clientGone = 499;

/** A request on its way through the server. `raw` is undefined where another protocol is asked for. */
class Exchange {
  readonly request: ServerRequest;
  readonly raw: NodeResponse | undefined;
  readonly startedAt: number;
  route: Route | undefined = undefined;
  task: Task<void> | undefined = undefined;
  isAnswering = false;
  status = clientGone;
  bytes = 0;

  constructor(request: ServerRequest, raw: NodeResponse | undefined, startedAt: number) {
    this.request = request;
    this.raw = raw;
    this.startedAt = startedAt;
  }
}

export class Connection implements RequestHome {
  readonly socket: Duplex;
  /** How often the server has found it idle since its last request. */
  idleRounds = 0;
  readonly home: ConnectionHome;
  /** Asked for at once: of a socket that was closed nobody knows it any more. */
  readonly remoteAddress: string | undefined;
  private readonly closed = new Event();
  private readonly waiting = new Deque<Exchange>();
  private group: TaskGroup | undefined = undefined;
  private current: Exchange | undefined = undefined;
  private isPaused = false;
  /** Whether where the next request begins is not known: those that came before are answered. */
  private isLost = false;
  /** Whether nothing is answered behind the current request. */
  private endsHere = false;

  constructor(socket: Duplex, home: ConnectionHome) {
    this.socket = socket;
    this.home = home;
    this.remoteAddress = (socket as Partial<Socket>).remoteAddress;
    socket.once("close", () => this.vanish());
  }

  /** Whether it waits for a request. */
  get isIdle(): boolean {
    return this.current === undefined;
  }

  /** The task of the connection: until the socket is closed and the handlers have ended. */
  live(): Operation<void> {
    return perform(this, this.doLive);
  }

  private *doLive(): Coroutine<void> {
    try {
      if (!this.closed.isSet) yield* taskGroup((group) => this.host(group), { name: "connection" });
    } finally {
      this.socket.destroy();
    }
  }

  /** Closes it once the client has all that was sent. */
  end(): void {
    this.socket.end(() => this.socket.destroy());
  }

  /** A request has come. */
  arrive(request: ServerRequest, raw: NodeResponse | undefined): void {
    this.idleRounds = 0;
    const startedAt = this.home.accessLog === undefined ? 0 : performance.now();
    const exchange = new Exchange(request, raw, startedAt);
    if (this.current === undefined && this.group !== undefined) {
      this.begin(exchange, this.group);
      return;
    }
    this.waiting.push(exchange);
    if (this.waiting.size < pipelineLimit || this.isPaused) return;
    this.isPaused = true;
    this.socket.pause();
  }

  /** What came is no request, or no more of one: nothing behind it can be understood. */
  refuse(text: string): void {
    const { current, socket } = this;
    if (current !== undefined && current.request.isBodyComplete) {
      // It is what comes behind it that is wrong.
      this.isLost = true;
    } else if (current?.isAnswering === true) {
      socket.destroy();
    } else {
      socket.end(text, "latin1", () => socket.destroy());
    }
  }

  private *host(group: TaskGroup): Coroutine<void> {
    this.group = group;
    this.beginNext();
    yield* this.closed.wait();
  }

  private begin(exchange: Exchange, group: TaskGroup): void {
    this.current = exchange;
    this.home.counts.requests++;
    this.home.counts.active++;
    const { method, path } = exchange.request;
    exchange.task = group.startSoon(perform(this, this.answer, exchange), { name: `${method} ${path}` });
  }

  private beginNext(): void {
    const next = this.waiting.shift();
    const { destroyed, writableEnded } = this.socket;
    if (next !== undefined && this.group !== undefined && !destroyed && !writableEnded)
      this.begin(next, this.group);
    if (!this.isPaused || this.waiting.size > 0) return;
    this.isPaused = false;
    this.socket.resume();
  }

  /** The socket is closed, by whomever. */
  private vanish(): void {
    const { current } = this;
    if (current !== undefined) {
      current.request.vanish();
      if (current.route?.options.cancelOnDisconnect === true) current.task?.cancel("the client has vanished");
    }
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift())
      next.request.vanish();
    this.closed.set();
  }

  private *answer(exchange: Exchange): Coroutine<void> {
    try {
      const response = yield* this.respond(exchange);
      if (response.status === 101 && exchange.raw === undefined) {
        exchange.status = 101;
        this.socket.destroy();
      } else {
        const rest = this.deliver(response, exchange);
        if (rest !== undefined) yield* rest;
      }
    } catch (error) {
      if (isCancelled(error) && cancellationPending()) {
        this.apologize(exchange);
        throw error;
      }
      this.socket.destroy();
      this.report(error, exchange);
    } finally {
      this.over(exchange);
    }
  }

  /** The handler's answer, or what is said where it has none. */
  private *respond(exchange: Exchange): Coroutine<ServerResponse> {
    const { request } = exchange;
    try {
      const wrong = wrongHead(request, this.home.limits);
      if (wrong !== undefined) return this.giveUp(wrong);
      const route = this.home.router.find(request);
      exchange.route = route;
      if (route.options.bodySize !== undefined) request.limitBody(route.options.bodySize);
      const response = answered(yield* route.handle(request));
      // Worked out here, where what is wrong with them can still be told.
      if (response.hasHeaders) void response.headers;
      return response;
    } catch (error) {
      if (isCancelled(error) && cancellationPending()) throw error;
      return this.explain(error, exchange);
    }
  }

  /** What we and others on the way may read differently, nobody is to read on from. */
  private giveUp(error: HttpError): ServerResponse {
    this.endsHere = true;
    return explained(error);
  }

  private explain(error: unknown, exchange: Exchange): ServerResponse {
    if (error instanceof HttpError) return explained(error);
    this.report(error, exchange);
    return ServerResponse.text("Internal Server Error\n", { status: 500 });
  }

  /** Sends the response, and gives what is left to be done if that takes time. */
  private deliver(response: ServerResponse, exchange: Exchange): Coroutine<void> | undefined {
    const { request, raw } = exchange;
    if (this.socket.destroyed || this.socket.writableEnded)
      return response.isStreamed ? closeSource(response.body as StreamSource) : undefined;
    exchange.isAnswering = true;
    exchange.status = response.status;
    if (raw === undefined) return this.part(response, exchange);
    // While a stream is sent the rest of the body may be read; behind a whole response nobody will.
    const isRefused = !request.isBodyComplete && !response.isStreamed;
    const isLast = isRefused || !raw.shouldKeepAlive || this.home.stopping.isSet || this.isAtEnd;
    const to = this.destination(request, raw, isLast);
    if (response.isStreamed) return this.pour(response, exchange, to);
    exchange.bytes = sendWhole(response, to);
    if (!request.isBodyComplete) return this.linger(exchange);
    // What the runtime ends it closes as well, once it has sent everything.
    if (isLast && !raw.writableEnded) this.end();
    // A client that asks and asks and takes nothing must not fill our memory.
    else if (this.socket.writableNeedDrain) return taken(this.socket, to);
    return undefined;
  }

  private *pour(response: ServerResponse, exchange: Exchange, to: Destination): Coroutine<void> {
    exchange.bytes = yield* sendStream(response, to);
    if (!exchange.request.isBodyComplete) yield* this.linger(exchange);
  }

  /** An answer on a connection that the runtime has let go of, for another protocol that is not spoken after all. */
  private *part(response: ServerResponse, exchange: Exchange): Coroutine<void> {
    const { socket } = this;
    const { method } = exchange.request;
    const { writeTime } = this.home.limits;
    exchange.bytes = yield* sendBare(response, { socket, writeTime, isHead: method === "HEAD" });
    socket.resume();
    yield* this.linger(exchange);
  }

  private get isAtEnd(): boolean {
    return this.endsHere || (this.isLost && this.waiting.size === 0);
  }

  private destination(request: ServerRequest, raw: NodeResponse, isLast: boolean): Destination {
    const { limits, keepAlive } = this.home;
    return {
      raw,
      socket: this.socket,
      writeTime: limits.writeTime,
      isHead: request.method === "HEAD",
      isLast,
      keepAlive,
    };
  }

  /** Closing on bytes that were not read would throw away what the client has yet to read of us. */
  private *linger({ request, raw }: Exchange): Coroutine<void> {
    request.raw.discard();
    if (raw?.writableEnded !== true || raw.writableFinished) this.socket.end();
    yield* moveOnAfter(lingerTime, this.closed.wait());
    this.socket.destroy();
  }

  /** The handler was cancelled: the client is told to come again, if it was told nothing yet. */
  private apologize({ raw, isAnswering }: Exchange): void {
    if (raw === undefined || isAnswering || this.socket.destroyed) this.socket.destroy();
    else this.socket.end(comeAgain());
  }

  private over(exchange: Exchange): void {
    const { accessLog, counts } = this.home;
    counts.active--;
    if (accessLog !== undefined) this.log(accessLog, exchange);
    this.current = undefined;
    this.beginNext();
    // A stream that was begun before has not said that it is the last.
    if (this.isIdle && this.home.stopping.isSet) this.end();
  }

  private log(accessLog: AccessLog, { request, status, bytes, startedAt }: Exchange): void {
    try {
      accessLog({ request, status, bytes, duration: performance.now() - startedAt });
    } catch (error) {
      this.home.report(error, request);
    }
  }

  /** A client that has gone is no error of the server's. */
  private report(error: unknown, { request }: Exchange): void {
    if (error instanceof BrokenResourceError && this.socket.destroyed) return;
    this.home.report(error, request);
  }
}

/** To a client whose handler was cancelled, on a connection that nothing else will be said on. */
function comeAgain(): string {
  return headOf(new ServerResponse(undefined, { status: 503 }), 0, "connection: close\r\n");
}

function explained({ message, status, headers }: HttpError): ServerResponse {
  return ServerResponse.text(`${message}\n`, { status, headers });
}
