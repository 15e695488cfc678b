/**
 * Server-sent events as a stream, over as many connections as it takes.
 *
 * Invariant: an event is received once, and the server is always told the id of the last complete one; a cancelled
 * `receive` has taken none. At most one connection is open, and none once the stream is closed or has ended.
 */
import {
  BrokenResourceError,
  type ByteReceiveStream,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  isCancelled,
  now,
  type Operation,
  perform,
  ResourceGuard,
  shield,
  sleepUntil,
  UsageError,
} from "@anyloop/core";
import { checkpointIfCancelled, Deque, ReceiveStreamBase } from "@anyloop/core/lowlevel";
import { EventParser } from "./event-parser.ts";
import type { ServerSentEvent } from "./server-sent-event.ts";

/** What the events come from: a `Response` of the session, or of anybody else. */
export interface EventResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null | undefined };
  /** The body. The stream of events closes it. */
  readonly stream: ByteReceiveStream;
}

/** Sends the request, with `Accept: text/event-stream` and, unless it is empty, the id as `Last-Event-ID`. */
export type OpenEvents = (lastEventId: string) => Operation<EventResponse>;

export interface EventStreamOptions {
  /** Milliseconds before connecting again, until the server says; 3000 if not given. */
  readonly retry?: number | undefined;
  /** Where to go on, from an earlier stream. */
  readonly lastEventId?: string | undefined;
  /** Most characters of one event; 1 048 576 if not given. */
  readonly maxEventLength?: number | undefined;
}

/** Most milliseconds between attempts, unless the server itself asks for more. */
const longestDelay = 60_000;
/** Statuses of a server that is not there for now. */
const temporary: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/**
 * Events from `open`. Errors of the first connection are thrown; after it, a connection that ends or breaks, or a server
 * that answers 429, 500, 502, 503 or 504, is tried again: after `retry` ms, and twice as long each time it fails, up to a
 * minute. Status 204 is the end of the stream; another status, or another content type than `text/event-stream`, breaks it.
 */
export class EventStream extends ReceiveStreamBase<ServerSentEvent> {
  private readonly open: OpenEvents;
  private readonly options: EventStreamOptions;
  private readonly receiving = new ResourceGuard("receiving from");
  private readonly events = new Deque<ServerSentEvent>();
  private parser: EventParser;
  private body: ByteReceiveStream | undefined = undefined;
  /** The receive that waits. */
  private working: CancelScope | undefined = undefined;
  private end: (() => Error) | undefined = undefined;
  private isClosed = false;
  private hasConnected = false;
  private retry: number;
  /** Attempts in a row that brought nothing. */
  private failures = 0;
  /** When to connect. */
  private due = -Infinity;

  constructor(open: OpenEvents, options: EventStreamOptions = {}) {
    super();
    const { retry = 3000 } = options;
    if (!(retry >= 0 && retry < Infinity)) {
      throw new UsageError(`retry is ${String(retry)}. Give milliseconds, 0 or more.`);
    }
    this.open = open;
    this.options = options;
    this.retry = retry;
    this.parser = this.newParser(options.lastEventId);
  }

  /** The last id that the server has given with a complete event; to go on there with another stream. */
  get lastEventId(): string {
    return this.parser.lastEventId;
  }

  /**
   * The next event. Cancelled while it waits for one it keeps the connection; while it connects, the next one begins anew.
   * @throws EndOfStream after status 204; BrokenResourceError for an answer that is no stream of events, and for an event
   * that is too long; ClosedResourceError, BusyResourceError; what `open` throws the first time.
   */
  receive(): Operation<ServerSentEvent> {
    return perform(this, this.doReceive);
  }

  /** Ends the connection, and wakes the task that waits. */
  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  private *doReceive(): Coroutine<ServerSentEvent> {
    const entered = this.receiving.enter();
    try {
      yield* checkpointIfCancelled();
      for (;;) {
        if (this.isClosed) throw new ClosedResourceError();
        const event = this.events.shift();
        if (event !== undefined) return event;
        if (this.end !== undefined) throw this.end();
        this.working = new CancelScope();
        yield* this.working.run(perform(this, this.readOn));
        // Closed meanwhile, or ended by what came.
        if (this.isClosed || this.end !== undefined) yield* this.letGo();
      }
    } finally {
      this.working = undefined;
      entered[Symbol.dispose]();
    }
  }

  private *doClose(): Coroutine<void> {
    this.isClosed = true;
    this.working?.cancel();
    yield* this.letGo();
    yield* checkpointIfCancelled();
  }

  /** Takes what comes next, be it a connection, some bytes or an end. */
  private *readOn(): Coroutine<void> {
    try {
      if (this.body === undefined) yield* this.connect();
      else this.take(yield* this.body.receive());
    } catch (error) {
      if (isCancelled(error)) throw error;
      this.waitLonger();
      yield* this.letGo();
      if (!this.hasConnected) throw error;
    }
  }

  private *connect(): Coroutine<void> {
    if (this.due > now()) yield* sleepUntil(this.due);
    const { status, headers, stream } = yield* this.open(this.lastEventId);
    this.body = stream;
    // Half an event was lost with its connection.
    this.parser = this.newParser(this.lastEventId);
    const contentType = headers.get("content-type") ?? "none";
    if (status === 204) this.end = () => new EndOfStream();
    else if (this.hasConnected && temporary.has(status))
      throw new BrokenResourceError(`Status ${String(status)}.`);
    else if (status !== 200) this.refuse(`status ${String(status)}`);
    else if (!/^text\/event-stream[ \t]*(;|$)/i.test(contentType)) this.refuse(`content type ${contentType}`);
    this.hasConnected = true;
  }

  private take(bytes: Uint8Array): void {
    this.failures = 0;
    try {
      this.parser.push(bytes, (event) => this.events.push(event));
    } catch (error) {
      this.end = () => new BrokenResourceError("The server does not keep to the limits.", { cause: error });
    }
    this.retry = this.parser.retry ?? this.retry;
  }

  private refuse(what: string): void {
    this.end = () =>
      new BrokenResourceError(
        `The server answered with ${what}, not with status 200 and content type text/event-stream.`,
      );
  }

  private waitLonger(): void {
    const delay = Math.min(this.retry * 2 ** Math.min(this.failures, 30), longestDelay);
    this.due = this.hasConnected ? now() + Math.max(this.retry, delay) : this.due;
    this.failures++;
  }

  private *letGo(): Coroutine<void> {
    const { body } = this;
    this.body = undefined;
    if (body === undefined) return;
    try {
      yield* shield(body.close());
    } catch (error) {
      // A body that is given up has nothing to say any more.
      if (isCancelled(error)) throw error;
    }
  }

  private newParser(lastEventId: string | undefined): EventParser {
    return new EventParser({ lastEventId, maxEventLength: this.options.maxEventLength });
  }
}
