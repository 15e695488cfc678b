/**
 * Accepting connections, on one address or several.
 *
 * Invariant: a connection is given to exactly one `accept`, or closed with the listener; it never waits without somebody
 * listening for its errors. A handler that crashes takes nothing with it but its own connection.
 */
import type { Server, Socket } from "node:net";
import {
  type Body,
  BusyResourceError,
  ClosedResourceError,
  type Coroutine,
  type Handler,
  isCancelled,
  type Listener,
  type Operation,
  perform,
  sleep,
  type TaskGroup,
  taskGroup,
  use,
} from "@anyloop/core";
import { type AbortFn, closing, Deque, suspendOnHost, type Waiter } from "@anyloop/core/lowlevel";
import type { SocketStream } from "./socket-stream.ts";
import { adoptContext } from "./adopt-context.ts";
import { SystemError } from "./system-error.ts";

export interface ServeOptions<S> {
  /** Told what a handler threw, or closing its connection. Logs to the console if not given. */
  readonly onError?: ((error: unknown, stream: S) => void) | undefined;
}

/** Accepting failed; the connection is lost, the listener goes on: `EMFILE`, `ENFILE`, `ECONNABORTED`, … */
export class AcceptError extends SystemError {
  override readonly name = "AcceptError";
}

/** Milliseconds to wait when there are no file descriptors left: somebody has to close one. From trio. */
const patience = 100;

/** Must be tried again later: retrying at once would keep the process busy with failing. */
const isExhausted = ({ code }: SystemError): boolean => code === "EMFILE" || code === "ENFILE";

export class SocketListener<Address> implements Listener<SocketStream<Address>> {
  private readonly wrap: (socket: Socket) => SocketStream<Address>;
  private readonly addressOf: (server: Server) => Address;
  private readonly servers: Server[] = [];
  private readonly bound: Address[] = [];
  private readonly arrived = new Deque<SocketStream<Address>>();
  private error: AcceptError | undefined = undefined;
  private waiter: Waiter<SocketStream<Address>> | undefined = undefined;
  private isClosed = false;

  private readonly begin = (waiter: Waiter<SocketStream<Address>>): AbortFn | void => {
    const { error } = this;
    if (this.isClosed) throw new ClosedResourceError();
    if (this.waiter !== undefined) throw new BusyResourceError("accepting from");
    this.error = undefined;
    if (error !== undefined) throw error;
    const next = this.arrived.shift();
    if (next === undefined) {
      this.waiter = waiter;
      return this.abandon;
    }
    waiter.resume(next);
    return undefined;
  };

  private readonly abandon: AbortFn = () => {
    this.waiter = undefined;
    return true;
  };

  /** @internal */
  constructor(wrap: (socket: Socket) => SocketStream<Address>, addressOf: (server: Server) => Address) {
    this.wrap = wrap;
    this.addressOf = addressOf;
  }

  /** What it listens on. Several addresses have one port. */
  get addresses(): readonly Address[] {
    return this.bound;
  }

  /** The runtime's own servers, one for each address. */
  get raw(): readonly Server[] {
    return this.servers;
  }

  /**
   * Takes the connections of a server that is about to listen: some may come before anybody else knows that it does.
   * @internal
   */
  acceptFrom(server: Server): void {
    server.on("connection", (socket: Socket) => {
      adoptContext(socket);
      this.arrive(this.wrap(socket));
    });
  }

  /** The server listens. @internal */
  add(server: Server): void {
    this.servers.push(server);
    this.bound.push(this.addressOf(server));
    server.on("error", (error) => this.fail(new AcceptError("Accepting a connection failed", error)));
  }

  /**
   * Waits for a connection.
   * @throws ClosedResourceError once the listener was closed; AcceptError, after which it can be called again;
   * BusyResourceError while another task waits.
   */
  accept(): Operation<SocketStream<Address>> {
    return suspendOnHost(this.begin);
  }

  /**
   * Runs the handler for each connection, as a task of its own, and closes the connection after it. What a handler throws
   * goes to `onError` and ends its own connection only. Runs until it is cancelled. Closing the listener ends it as well,
   * with a ClosedResourceError, once the handlers that run have ended.
   */
  serve(
    handler: Handler<[stream: SocketStream<Address>]>,
    { onError = logFailure }: ServeOptions<SocketStream<Address>> = {},
  ): Operation<never> {
    return perform(this, this.doServe, handler, onError);
  }

  /** Stops listening. Connections that were accepted stay open. */
  close(): Operation<void> {
    return closing(() => this.closeNow());
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doServe(handler: Handle<Address>, report: Report<Address>): Coroutine<never> {
    yield* taskGroup((group) => perform(this, this.acceptAll, group, handler, report));
    throw new ClosedResourceError();
  }

  /** Comes back once the listener is closed. */
  private *acceptAll(group: TaskGroup, handler: Handle<Address>, report: Report<Address>): Coroutine<void> {
    for (;;) {
      try {
        group.startSoon(perform(this, this.handle, yield* this.accept(), handler, report));
      } catch (error) {
        if (error instanceof ClosedResourceError) return;
        if (!(error instanceof AcceptError)) throw error;
        console.error(error);
        if (isExhausted(error)) yield* sleep(patience);
      }
    }
  }

  private *handle(
    stream: SocketStream<Address>,
    handler: Handle<Address>,
    report: Report<Address>,
  ): Coroutine<void> {
    try {
      yield* use(stream, handler as Body<unknown, [SocketStream<Address>]>);
    } catch (error) {
      if (isCancelled(error)) throw error;
      report(error, stream);
    }
  }

  private arrive(stream: SocketStream<Address>): void {
    const { waiter } = this;
    this.waiter = undefined;
    if (waiter === undefined) this.arrived.push(stream);
    else waiter.resume(stream);
  }

  private fail(error: AcceptError): void {
    const { waiter } = this;
    this.waiter = undefined;
    if (waiter === undefined) this.error = error;
    else waiter.fail(error);
  }

  private closeNow(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const server of this.servers) server.close();
    for (let stream = this.arrived.shift(); stream !== undefined; stream = this.arrived.shift()) {
      stream.raw.destroy();
    }
    const { waiter } = this;
    this.waiter = undefined;
    waiter?.fail(new ClosedResourceError());
  }
}

type Handle<Address> = Handler<[stream: SocketStream<Address>]>;
type Report<Address> = (error: unknown, stream: SocketStream<Address>) => void;

function logFailure(error: unknown): void {
  console.error("The handler of a connection failed, and the connection was closed:", error);
}
