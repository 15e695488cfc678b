/**
 * Sending a response.
 *
 * A whole one is written to the socket in one piece, head and body, and the runtime's response is told that it is done:
 * that is a quarter cheaper than to let the runtime put the head together. What is streamed, and everything on runtimes
 * other than Node, goes through the runtime's response. Invariant: a body that cannot be sent to its end closes the
 * connection, so a client never takes a part for the whole.
 */
import type { ServerResponse as NodeResponse } from "node:http";
import type { Duplex } from "node:stream";
import {
  BrokenResourceError,
  CancelScope,
  type Coroutine,
  EndOfStream,
  fromPromise,
  moveOnAfter,
  type Operation,
  perform,
  type Receiver,
  shield,
} from "@anyloop/core";
import { suspendOn } from "./byte-stream-duplex.ts";
import { fieldsOf, headOf, isBodiless } from "./head.ts";
import type { ServerResponse, StreamSource } from "./response.ts";

const isNode = !("bun" in process.versions) && !("deno" in process.versions);

/** Where a response is to be sent, if the runtime has let go of the connection. */
export interface BareDestination {
  readonly socket: Duplex;
  /** Milliseconds in which a client has to take something. */
  readonly writeTime: number;
  /** Whether only the head is asked for. */
  readonly isHead: boolean;
}

/** Where and how a response is to be sent. */
export interface Destination extends BareDestination {
  readonly raw: NodeResponse;
  /** Whether the connection ends with this response. */
  readonly isLast: boolean;
  /** The header fields that say that a connection stays open. */
  readonly keepAlive: string;
}

const close = "connection: close\r\n";

/** Sends a response whose body is there, and gives the number of bytes of the body. */
export function sendWhole(response: ServerResponse, to: Destination): number {
  return isNode && to.raw.socket === to.socket ? writeWhole(response, to) : endWhole(response, to);
}

function lengthOf(body: string | Uint8Array): number {
  return typeof body === "string" ? Buffer.byteLength(body) : body.length;
}

/** What a response without a body says about the length: that of what a GET would have, or nothing. */
function toldLength(response: ServerResponse): number | undefined {
  const told = response.hasHeaders ? response.headers.get("content-length") : undefined;
  return told === undefined ? undefined : Number(told);
}

function writeWhole(
  response: ServerResponse,
  { raw, socket, isHead, isLast, keepAlive }: Destination,
): number {
  const body = (response.body ?? "") as string | Uint8Array;
  const length = lengthOf(body);
  const hasNone = isBodiless(response.status);
  const told = hasNone || (isHead && length === 0) ? toldLength(response) : length;
  const head = headOf(response, told ?? (hasNone ? undefined : length), isLast ? close : keepAlive);
  if (isHead || hasNone || length === 0) {
    socket.write(head, "latin1");
  } else if (length === body.length && typeof body === "string") {
    socket.write(head + body, "latin1");
  } else {
    socket.cork();
    socket.write(head, "latin1");
    socket.write(body);
    socket.uncork();
  }
  raw.emit("finish");
  return isHead || hasNone ? 0 : length;
}

/** The same by way of the runtime. */
function endWhole(response: ServerResponse, { raw, isHead, isLast }: Destination): number {
  const body = (response.body ?? "") as string | Uint8Array;
  const fields = fieldsOf(response);
  if (isLast) fields["connection"] = "close";
  const length = lengthOf(body);
  const hasNone = isBodiless(response.status);
  if (!hasNone && !(isHead && length === 0 && fields["content-length"] !== undefined)) {
    fields["content-length"] = String(length);
  }
  raw.writeHead(response.status, fields);
  raw.end(isHead || hasNone ? undefined : body);
  return isHead || hasNone ? 0 : length;
}

/** Sends a response while its body is made. @throws BrokenResourceError; what making the body throws. */
export function* sendStream(response: ServerResponse, to: Destination): Coroutine<number> {
  const source = response.body as StreamSource;
  const { raw, isHead, isLast } = to;
  const writer = new BodyWriter(raw, to);
  try {
    const fields = fieldsOf(response);
    if (isLast) fields["connection"] = "close";
    raw.writeHead(response.status, fields);
    if (!isHead && !isBodiless(response.status)) {
      raw.flushHeaders();
      yield* pour(source, writer);
    }
    raw.end();
  } finally {
    yield* shield(() => closeSource(source));
  }
  return writer.bytes;
}

/** Sends a response without the runtime. The end of the connection is the end of what is streamed. */
export function* sendBare(response: ServerResponse, to: BareDestination): Coroutine<number> {
  const { socket } = to;
  const isHeadOnly = to.isHead || isBodiless(response.status);
  const writer = new BodyWriter(socket, to);
  if (!response.isStreamed) {
    const body = (response.body ?? "") as string | Uint8Array;
    socket.write(headOf(response, lengthOf(body), close), "latin1");
    if (!isHeadOnly) yield* writer.doWrite(body);
    return writer.bytes;
  }
  const source = response.body as StreamSource;
  try {
    socket.write(headOf(response, undefined, close), "latin1");
    if (!isHeadOnly) yield* pour(source, writer);
  } finally {
    yield* shield(() => closeSource(source));
  }
  return writer.bytes;
}

/** Waits until a client has taken enough for more. @throws BrokenResourceError if it has gone, or takes nothing. */
export function* taken(
  stream: NodeResponse | Duplex,
  { socket, writeTime }: BareDestination,
): Coroutine<void> {
  if ((yield* moveOnAfter(writeTime, drained(stream, socket))) === true) return;
  socket.destroy();
  throw new BrokenResourceError(
    `The client took nothing for ${String(writeTime)} ms, and the connection was closed.`,
  );
}

function drained(stream: NodeResponse | Duplex, socket: Duplex): Operation<true> {
  return suspendOn<true>(socket, (waiter) => {
    const stop = (): void => {
      stream.off("drain", onDrain).off("close", onClose);
    };
    const onDrain = (): void => {
      stop();
      waiter.resume(true);
    };
    const onClose = (): void => {
      stop();
      waiter.fail(gone());
    };
    stream.on("drain", onDrain).on("close", onClose);
    return () => {
      stop();
      return true;
    };
  });
}

function gone(): BrokenResourceError {
  return new BrokenResourceError("The client has closed the connection before the response was complete.");
}

class BodyWriter {
  bytes = 0;
  private readonly stream: NodeResponse | Duplex;
  private readonly to: BareDestination;

  constructor(stream: NodeResponse | Duplex, to: BareDestination) {
    this.stream = stream;
    this.to = to;
  }

  readonly write = (piece: Uint8Array | string): Operation<void> => perform(this, this.doWrite, piece);

  *doWrite(piece: Uint8Array | string): Coroutine<void> {
    const { stream } = this;
    if (this.to.socket.destroyed) throw gone();
    const length = lengthOf(piece);
    // To the runtime an empty piece would be the end of a chunked body.
    if (length === 0) return;
    this.bytes += length;
    if (!stream.write(piece)) yield* taken(stream, this.to);
  }
}

function* pour(source: StreamSource, writer: BodyWriter): Coroutine<void> {
  if (typeof source === "function") {
    yield* new CancelScope({ name: source.name }).run(() => source(writer.write) as PromiseLike<unknown>);
    return;
  }
  if (source instanceof ReadableStream) yield* pourReadable(source, writer);
  else yield* pourReceiver(source, writer);
}

function* pourReceiver(source: Receiver<Uint8Array | string>, writer: BodyWriter): Coroutine<void> {
  for (;;) {
    let piece: Uint8Array | string;
    try {
      piece = yield* source.receive();
    } catch (error) {
      if (error instanceof EndOfStream) return;
      throw error;
    }
    yield* writer.doWrite(piece);
  }
}

function* pourReadable(source: ReadableStream<Uint8Array>, writer: BodyWriter): Coroutine<void> {
  const reader = source.getReader();
  try {
    for (;;) {
      const { done, value } = yield* fromPromise(reader.read());
      if (done) return;
      yield* writer.doWrite(value);
    }
  } finally {
    reader.releaseLock();
  }
}

/** What a streamed body holds is let go of, sent or not. */
export function* closeSource(source: StreamSource): Coroutine<void> {
  if (typeof source === "function") return;
  if (!(source instanceof ReadableStream)) {
    if ("close" in source) yield* source.close();
  } else if (!source.locked) {
    // What it failed with has been thrown by then.
    yield* fromPromise(source.cancel().catch(() => {}));
  }
}
