/**
 * One request on the wire and its answer: where the callbacks of a transport meet the tasks that wait.
 *
 * Invariant: no task goes on in a transport's stack. What a transport reports is noted, and whoever waits goes on in the
 * microtask after it: by then a short answer is complete, so a request and its body cost one wake-up. (A parser that is in
 * the middle of its work must also not be asked to do something else, and a task would.)
 */
import {
  BusyResourceError,
  type Cancelled,
  ClosedResourceError,
  EndOfStream,
  type Operation,
} from "@anyloop/core";
import { HostLeaf, type Strand, type Timer, type TimerHandle } from "@anyloop/core/lowlevel";
import { BodyTooLarge, ChunkTimeout, FirstByteTimeout, PoolTimeout, TotalTimeout } from "./errors.ts";
import type { HttpHeaders } from "./headers.ts";
import type { ClientRequest } from "./request.ts";
import { tell, type Trace, type TracedRequest } from "./trace.ts";
import type { Control, Transport, WireBody } from "./transport.ts";

/** Bytes that may lie here unread before the sender is held up. */
const highWaterMark = 65_536;

type Phase = "queued" | "connecting" | "sending" | "sent" | "answered" | "ended" | "failed";

/** Whose body it is. */
export interface BodyOwner {
  /** @throws UsageError if it was given away before. */
  claim(): void;
}

/** Makes something of a body. A function defined once: one made for each call is dear. */
export type Convert<O, T> = (bytes: Uint8Array, owner: O) => T;

export class Exchange implements TracedRequest {
  readonly request: ClientRequest;
  readonly body: WireBody;
  phase: Phase = "queued";
  status = 0;
  /** Of the answer. */
  headers: HttpHeaders | undefined = undefined;
  error: unknown = undefined;
  /** Body bytes that nobody has taken yet. */
  chunks: Uint8Array[] = [];
  /** The answer is not held up, however much of it lies here: all of it is wanted, or we are still sending. */
  isUnbounded = false;
  /** Where the answer came from, if the transport follows redirects itself. */
  finalUrl: string | undefined = undefined;
  /** The transport has decompressed the body. */
  isDecoded = false;
  private maxBytes = Infinity;
  private readonly transport: Transport;
  private control: Control | undefined = undefined;
  private waiting: Wait<unknown> | undefined = undefined;
  private buffered = 0;
  private received = 0;
  private isPaused = false;
  /** When what is timed began: the wait for a connection, for the answer, for more of the body. */
  private since = 0;

  constructor(transport: Transport, request: ClientRequest, body: WireBody) {
    this.transport = transport;
    this.request = request;
    this.body = body;
  }

  get method(): string {
    return this.request.method;
  }

  get url(): string {
    return this.request.url;
  }

  get trace(): Trace | undefined {
    return this.request.settings.trace;
  }

  get isComplete(): boolean {
    return this.phase === "ended";
  }

  get isOver(): boolean {
    return this.phase === "ended" || this.phase === "failed";
  }

  /** Sends the request and waits for the head of the answer. Cancelled, it closes the connection. */
  head(): Operation<void> {
    return new Head(this);
  }

  /** Waits for a piece of the body, of at most `maxBytes`. @throws EndOfStream. */
  more(maxBytes: number): Operation<Uint8Array> {
    return new More(this, maxBytes);
  }

  /** Waits for all of the body, no more than `maxBytes`, and gives what `convert` makes of it. The owner may refuse. */
  collect<O extends BodyOwner, T>(owner: O, convert: Convert<O, T>, maxBytes: number): Operation<T> {
    return new Collect(this, owner, convert, maxBytes);
  }

  /** Waits until nothing more comes; whether it came to its end or failed is for others to find out. */
  settled(): Operation<void> {
    return new Settled(this);
  }

  /** @internal Takes what lies here, at most `maxBytes`. */
  take(maxBytes: number): Uint8Array {
    const { chunks } = this;
    const first = chunks[0];
    if (first === undefined) throw new EndOfStream();
    let taken = first;
    if (first.length <= maxBytes) {
      chunks.shift();
    } else {
      taken = first.subarray(0, maxBytes);
      chunks[0] = first.subarray(maxBytes);
    }
    this.buffered -= taken.length;
    if (this.isPaused && this.buffered < highWaterMark) this.unpause();
    return taken;
  }

  /** @internal Whoever waits for all of it takes it in one piece. */
  takeAll(): Uint8Array {
    const { chunks } = this;
    this.chunks = [];
    this.buffered = 0;
    return chunks.length === 1 ? (chunks[0] as Uint8Array) : joined(chunks);
  }

  /** Nobody wants the answer any more: closes the connection, unless all of the answer has come. */
  abandon(why: unknown): void {
    if (this.isOver) return;
    this.control?.abort();
    this.failed(why);
  }

  // What a transport reports.

  queued(): void {
    tell(this.trace, "queued", this);
  }

  /** A connection is there for it, or is being made. */
  assigned(isReused: boolean): void {
    if (isReused) tell(this.trace, "reused", this);
    this.enter(isReused ? "sending" : "connecting");
  }

  connected(): void {
    if (this.phase === "connecting") this.enter("sending");
  }

  sent(): void {
    // A server may answer before it has heard everything.
    if (this.phase !== "sending") return;
    tell(this.trace, "requestSent", this);
    this.enter("sent");
  }

  answered(status: number, headers: HttpHeaders): void {
    this.status = status;
    this.headers = headers;
    this.phase = "answered";
    tell(this.trace, "firstByte", this, status, headers);
    this.wake();
  }

  /** False: enough for now, until `Control.resume`. */
  data(chunk: Uint8Array): boolean {
    this.received += chunk.length;
    if (this.received > this.maxBytes) {
      this.abandon(new BodyTooLarge(this.maxBytes));
      return false;
    }
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    if (this.waiting !== undefined) this.since = performance.now();
    this.wake();
    this.isPaused = this.buffered >= highWaterMark && !this.isUnbounded;
    return !this.isPaused;
  }

  ended(): void {
    this.phase = "ended";
    tell(this.trace, "ended", this);
    this.wake();
  }

  failed(error: unknown): void {
    if (this.isOver) return;
    this.phase = "failed";
    this.error = error;
    this.chunks = [];
    tell(this.trace, "failed", this, error);
    this.wake();
  }

  // What those who wait ask.

  /** @internal */
  begin(): void {
    this.since = performance.now();
    this.control = this.transport.begin(this);
    // It may have failed, and whoever reported that could not be asked to stop.
    if (this.phase === "failed") this.control.abort();
  }

  /** @internal */
  park(wait: Wait<unknown>): void {
    this.waiting = wait;
    // While nobody reads, the server owes nothing.
    if (this.phase === "answered") this.since = performance.now();
  }

  /** @internal */
  unpark(): void {
    this.waiting = undefined;
  }

  get isWaitedFor(): boolean {
    return this.waiting !== undefined;
  }

  /** @internal All that comes is wanted. */
  unpause(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.control?.resume();
  }

  /** @internal All of it is wanted, up to so many bytes. */
  wantAll(maxBytes: number): void {
    this.maxBytes = maxBytes;
    this.isUnbounded = true;
    if (this.received > maxBytes) this.abandon(new BodyTooLarge(maxBytes));
    // What has come to its end is refused as well.
    if (this.received > maxBytes) throw new BodyTooLarge(maxBytes);
    this.unpause();
  }

  /** @internal The next time limit, on `performance.now()`. */
  nextDeadline(): number {
    return Math.min(this.request.settings.deadline, this.since + this.phaseLimit());
  }

  /** @internal Fails with the limit that has passed; false if none has. */
  expire(): boolean {
    const time = performance.now();
    const { deadline, limits } = this.request.settings;
    const sentence = `${this.method} ${this.url}`;
    // A host's timers may be early by a fraction of a millisecond.
    if (time >= deadline - 0.5) this.abandon(new TotalTimeout(sentence, limits.total));
    else if (time < this.since + this.phaseLimit() - 0.5) return false;
    else if (this.phase === "queued") this.abandon(new PoolTimeout(sentence, limits.pool));
    else if (this.phase === "sent") this.abandon(new FirstByteTimeout(sentence, limits.firstByte));
    else this.abandon(new ChunkTimeout(sentence, limits.betweenChunks));
    return true;
  }

  private phaseLimit(): number {
    const { limits } = this.request.settings;
    if (this.phase === "sent") return limits.firstByte;
    if (this.phase === "answered") return limits.betweenChunks;
    // Connecting is timed where it is done: several exchanges may wait for one connection.
    return this.phase === "queued" ? limits.pool : Infinity;
  }

  private enter(phase: Phase): void {
    this.phase = phase;
    // The other phases have no limit of their own.
    if (phase === "sent") this.since = performance.now();
    this.waiting?.arm();
  }

  private wake(): void {
    const { waiting } = this;
    if (waiting?.isDue() === true) wakeSoon(waiting);
  }
}

const due: Wait<unknown>[] = [];

function wakeSoon(wait: Wait<unknown>): void {
  if (due.push(wait) === 1) queueMicrotask(wakeAll);
}

function wakeAll(): void {
  // A task that goes on may bring others to be woken: in a microtask of their own.
  for (const wait of due.splice(0)) wait.wake();
}

/** Waits for an exchange, no longer than its time limits. */
abstract class Wait<T> extends HostLeaf<T> implements Timer {
  protected readonly exchange: Exchange;
  private timer: TimerHandle | undefined = undefined;

  constructor(exchange: Exchange) {
    super();
    this.exchange = exchange;
  }

  get label(): string {
    const { method, url, phase } = this.exchange;
    return `${method} ${url} (${phase})`;
  }

  /** Whether there is nothing to wait for; an exchange that failed aside. */
  protected abstract isReady(): boolean;
  /** What is given then. May throw. */
  protected abstract outcome(): T;

  /** Before anything is waited for. */
  protected prepare(): void {
    // Most have nothing to prepare.
  }

  isDue(): boolean {
    return this.exchange.phase === "failed" || this.isReady();
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { exchange } = this;
    if (exchange.isWaitedFor) return this.refuse(strand, new BusyResourceError("waiting for"));
    let value: T;
    try {
      this.prepare();
      if (exchange.phase === "failed") return this.refuse(strand, exchange.error);
      if (!this.isReady()) return this.wait(strand);
      value = this.outcome();
    } catch (error) {
      return this.refuse(strand, error);
    }
    return this.complete(strand, value);
  }

  private wait(strand: Strand): IteratorResult<unknown, unknown> {
    const { exchange } = this;
    exchange.park(this);
    const parked = this.park(strand);
    this.arm();
    return parked;
  }

  protected abort(cancelled: Cancelled): boolean {
    this.leave();
    this.exchange.abandon(closedBy(cancelled));
    return true;
  }

  /** Sets the timer for the next limit. */
  arm(): void {
    this.timer?.cancel();
    this.timer = undefined;
    const { strand } = this;
    const deadline = this.exchange.nextDeadline();
    if (strand === undefined || deadline === Infinity) return;
    const { loop } = strand.run;
    this.timer = loop.callAt(loop.now() + deadline - performance.now(), this, "deadline");
  }

  expired(): void {
    this.timer = undefined;
    // More has come since the timer was set: the limit is a later one by now.
    if (!this.exchange.expire()) this.arm();
  }

  wake(): void {
    const { exchange } = this;
    // Cancelled meanwhile, or woken by what came first.
    if (this.strand === undefined) return;
    this.leave();
    if (exchange.phase === "failed") {
      this.fail(exchange.error);
      return;
    }
    let value: T;
    try {
      value = this.outcome();
    } catch (error) {
      this.fail(error);
      return;
    }
    this.resume(value);
  }

  protected leave(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.exchange.unpark();
  }
}

class Head extends Wait<void> {
  protected override prepare(): void {
    this.exchange.begin();
  }

  protected isReady(): boolean {
    return this.exchange.status !== 0;
  }

  protected outcome(): void {
    // The exchange has it.
  }
}

class More extends Wait<Uint8Array> {
  private readonly maxBytes: number;

  constructor(exchange: Exchange, maxBytes: number) {
    super(exchange);
    this.maxBytes = maxBytes;
  }

  protected isReady(): boolean {
    return this.exchange.chunks.length > 0 || this.exchange.isComplete;
  }

  protected outcome(): Uint8Array {
    return this.exchange.take(this.maxBytes);
  }
}

class Collect<O extends BodyOwner, T> extends Wait<T> {
  private readonly owner: O;
  private readonly convert: Convert<O, T>;
  private readonly maxBytes: number;

  constructor(exchange: Exchange, owner: O, convert: Convert<O, T>, maxBytes: number) {
    super(exchange);
    this.owner = owner;
    this.convert = convert;
    this.maxBytes = maxBytes;
  }

  protected override prepare(): void {
    this.owner.claim();
    this.exchange.wantAll(this.maxBytes);
  }

  protected isReady(): boolean {
    return this.exchange.isComplete;
  }

  protected outcome(): T {
    return this.convert(this.exchange.takeAll(), this.owner);
  }
}

class Settled extends Wait<void> {
  protected isReady(): boolean {
    return this.exchange.isOver;
  }

  protected outcome(): void {
    // The exchange has it.
  }

  /** Whoever waits for this has no claim on the answer. */
  protected override abort(): boolean {
    this.leave();
    return true;
  }
}

function closedBy(cancelled: Cancelled): ClosedResourceError {
  const error = new ClosedResourceError(
    "This response was closed, because a task that waited for it was cancelled. Send the request again.",
  );
  error.cause = cancelled;
  return error;
}

export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
