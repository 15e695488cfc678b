/**
 * One request on the wire and its answer: where the callbacks of a transport meet the tasks that wait.
 *
 * Invariant: no task goes on in a transport's stack. What a transport reports is noted, and whoever waits (see wait.ts)
 * goes on in the microtask after it. After an abort, nothing that a transport reports counts.
 */
import { EndOfStream, type Operation } from "@anyloop/core";
import { BodyTooLarge, ChunkTimeout, FirstByteTimeout, PoolTimeout, TotalTimeout } from "./errors.ts";
import type { HttpHeaders } from "../headers.ts";
import type { ClientRequest } from "./request.ts";
import { tell, type Trace, type TracedRequest } from "./trace.ts";
import type { Control, Transport, WireBody } from "./transport.ts";
import { type BodyOwner, Collect, type Convert, Head, More, Settled, type Wait, wakeSoon } from "./wait.ts";

/** Bytes that may lie here unread before the sender is held up. */
const highWaterMark = 65_536;

type Phase = "queued" | "connecting" | "sending" | "sent" | "answered" | "ended" | "failed";

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

  /** Waits for a piece of the body, of at most `maxBytes`. Cancelled, the body is `isKept` or let go of. @throws EndOfStream. */
  more(maxBytes: number, isKept: boolean): Operation<Uint8Array> {
    return new More(this, maxBytes, isKept);
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
    this.chunks = [];
    this.failed(why);
  }

  /** Its owner wants nothing more of it, not even what has come. */
  discard(why: unknown): void {
    this.abandon(why);
    this.chunks = [];
    this.phase = "failed";
    this.error = why;
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
    if (!this.isOver) this.control?.resume();
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

  /** The body is not held up, though nobody may come for it; with more than so many bytes it is given up. */
  letCome(maxBytes: number): void {
    if (this.isOver || this.isUnbounded) return;
    if (this.received > maxBytes) {
      this.abandon(new BodyTooLarge(maxBytes));
      return;
    }
    this.maxBytes = maxBytes;
    this.isUnbounded = true;
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

export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
