/**
 * Channels of objects between processes, over any stream of bytes: TCP, TLS, Unix sockets. Both ends first prove that
 * they have the same key. curio's `Channel`, which has it from Python's `multiprocessing`.
 *
 * Invariant: nothing that came is taken for an object before whoever sent it has proved that it has the key; the key
 * never goes over the stream. A message is sent whole or not at all, and a cancelled receive loses nothing.
 *
 * A message is its length (4 bytes, the highest first) and its content. Objects are written by `node:v8`, and not as JSON:
 * that would lose maps, dates, bytes and `undefined` silently. So both ends have to be of one engine, which they tell each
 * other before anything else. This is authentication, not secrecy: over a network that is not yours put TLS below.
 */
import { Buffer } from "node:buffer";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { versions } from "node:process";
import { deserialize, serialize } from "node:v8";
import {
  BrokenResourceError,
  BufferedByteStream,
  type ByteStream,
  type Connectable,
  type Coroutine,
  EndOfStream,
  failAfter,
  IncompleteRead,
  Lock,
  type ObjectReceiveStream,
  type ObjectSendStream,
  type Operation,
  operation,
  perform,
  ResourceGuard,
  shield,
  TimeoutError,
  UsageError,
} from "@anyloop/core";
import { ReceiveStreamBase } from "@anyloop/core/lowlevel";

/** What both ends have to have: any bytes, or text. Keep it out of the program. */
export type ChannelKey = string | Uint8Array;

/** The other end has another key, or speaks something else. Nothing that it said was believed. */
export class AuthenticationError extends Error {
  override readonly name = "AuthenticationError";
  /** Stable, for programs. */
  readonly code = "AUTHENTICATION";
}

/** One end of a channel. One task at a time receives; any number send. */
export interface Channel<in Sent, out Received>
  extends ObjectSendStream<Sent>, ObjectReceiveStream<Received> {
  /** Sends a copy. @throws UsageError for what cannot be copied: nothing was sent then. BrokenResourceError. */
  send(item: Sent): Operation<void>;
  /** @throws EndOfStream once the other end has sent all; BrokenResourceError if the connection broke. */
  receive(): Operation<Received>;
  /** Ends our direction; the other end can still answer. */
  sendEof(): Operation<void>;
}

/** Bytes of one message, at the most. */
const longest = 256 * 1024 * 1024;
/** The same for whoever has not proved anything yet. */
const longestGreeting = 256;
const headerLength = 4;
const nonceLength = 32;
/** Milliseconds in which a stranger has to prove itself. */
const patience = 10_000;
const engine = "bun" in versions ? "jsc" : "v8";
const greeting = `anyloop channel 1 ${engine}`;
const [refused, welcome] = [Buffer.of(0), Buffer.of(1)];

/** Messages of bytes over a stream of bytes. */
class Frames {
  private readonly stream: BufferedByteStream;
  /** Of the message that is being read: kept for the next receive, if this one is cancelled. */
  private length: number | undefined = undefined;

  constructor(stream: ByteStream) {
    this.stream = new BufferedByteStream(stream);
  }

  send(content: Uint8Array): Operation<void> {
    const frame = Buffer.allocUnsafe(headerLength + content.length);
    frame.writeUInt32BE(content.length);
    frame.set(content, headerLength);
    return this.stream.send(frame);
  }

  *receive(maxBytes: number): Coroutine<Buffer> {
    try {
      if (this.length === undefined) {
        const header = yield* this.stream.receiveExactly(headerLength);
        this.length = new DataView(header.buffer, header.byteOffset).getUint32(0);
      }
      if (this.length > maxBytes) {
        throw new BrokenResourceError(`A message of ${String(this.length)} bytes was announced: too long.`);
      }
      const content = yield* this.stream.receiveExactly(this.length);
      this.length = undefined;
      return Buffer.from(content.buffer, content.byteOffset, content.length);
    } catch (error) {
      if (!(error instanceof IncompleteRead)) throw error;
      if (this.length === undefined && this.stream.buffer.length === 0) throw new EndOfStream();
      throw new BrokenResourceError("The connection ended in the middle of a message.", { cause: error });
    }
  }

  sendEof(): Operation<void> {
    return this.stream.sendEof();
  }

  close(): Operation<void> {
    return this.stream.close();
  }
}

class ChannelEnd<Sent, Received> extends ReceiveStreamBase<Received> implements Channel<Sent, Received> {
  private readonly frames: Frames;
  private readonly sending = new Lock();
  private readonly receiving = new ResourceGuard("receiving from");

  constructor(frames: Frames) {
    super();
    this.frames = frames;
  }

  send(item: Sent): Operation<void> {
    return perform<this, [Uint8Array], void>(this, this.doSend, written(item));
  }

  receive(): Operation<Received> {
    return perform<this, [], Received>(this, this.doReceive);
  }

  sendEof(): Operation<void> {
    return this.frames.sendEof();
  }

  close(): Operation<void> {
    return this.frames.close();
  }

  private *doSend(content: Uint8Array): Coroutine<void> {
    const held = yield* this.sending.acquire();
    try {
      yield* this.frames.send(content);
    } finally {
      held.release();
    }
  }

  private *doReceive(): Coroutine<Received> {
    const inside = this.receiving.enter();
    try {
      return deserialize(yield* this.frames.receive(longest)) as Received;
    } finally {
      inside[Symbol.dispose]();
    }
  }
}

function written(item: unknown): Uint8Array {
  if (typeof item === "object" && item !== null && typeof (item as { then?: unknown }).then === "function") {
    throw new UsageError("An operation or a promise is no item: it cannot be sent. Send what it gives.");
  }
  try {
    return serialize(item);
  } catch (error) {
    throw new UsageError(
      `This item cannot be sent to another process: ${String(error)} Send what structuredClone can copy.`,
      { cause: error },
    );
  }
}

/** What proves the key. Whose proof it is goes in, so that nobody's own can be sent back to him. */
function proof(key: ChannelKey, side: "connecting" | "accepting", nonces: readonly Uint8Array[]): Buffer {
  const hmac = createHmac("sha256", key).update(`${greeting} ${side}`);
  for (const nonce of nonces) hmac.update(nonce);
  return hmac.digest();
}

function isProof(given: Uint8Array, expected: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected);
}

const wrongKey = "The other end of the channel has another key.";

function* exchange(frames: Frames, sent: Uint8Array): Coroutine<Buffer> {
  yield* frames.send(sent);
  return yield* frames.receive(longestGreeting);
}

/** Both say who they are, and something that nobody has said before. */
function* greet(frames: Frames): Coroutine<readonly [mine: Buffer, theirs: Buffer]> {
  const mine = randomBytes(nonceLength);
  const answer = yield* exchange(frames, Buffer.concat([mine, Buffer.from(greeting)]));
  const theirs = answer.subarray(nonceLength).toString();
  if (theirs === greeting) return [mine, answer.subarray(0, nonceLength)];
  const isOther = theirs.startsWith("anyloop channel ");
  throw new AuthenticationError(
    isOther
      ? `The other end speaks "${theirs}", this one "${greeting}": both have to be of one version and one engine.`
      : "The other end is no channel of anyloop.",
  );
}

/** The end that connected proves itself first: whoever listens tells a stranger nothing. */
function* proveFirst(frames: Frames, key: ChannelKey): Coroutine<void> {
  const [mine, theirs] = yield* greet(frames);
  const answer = yield* exchange(frames, proof(key, "connecting", [mine, theirs]));
  if (!isProof(answer, proof(key, "accepting", [theirs, mine]))) throw new AuthenticationError(wrongKey);
  yield* frames.send(welcome);
}

function* proveSecond(frames: Frames, key: ChannelKey): Coroutine<void> {
  const [mine, theirs] = yield* greet(frames);
  const given = yield* frames.receive(longestGreeting);
  if (!isProof(given, proof(key, "connecting", [theirs, mine]))) {
    yield* frames.send(refused);
    throw new AuthenticationError(wrongKey);
  }
  const answer = yield* exchange(frames, proof(key, "accepting", [mine, theirs]));
  if (!answer.equals(welcome)) throw new AuthenticationError(wrongKey);
}

function* authenticated(
  stream: ByteStream,
  key: ChannelKey,
  prove: (frames: Frames, key: ChannelKey) => Coroutine<void>,
): Coroutine<Channel<never, unknown>> {
  const frames = new Frames(stream);
  try {
    if (key.length === 0) throw new UsageError("The key of a channel is empty. Give some secret bytes.");
    yield* failAfter(patience, () => prove(frames, key));
  } catch (error) {
    yield* shield(stream.close());
    throw strangers(error);
  }
  return new ChannelEnd(frames);
}

/** Whoever leaves, or says nothing, before it has proved anything. */
function strangers(error: unknown): unknown {
  if (error instanceof EndOfStream || error instanceof BrokenResourceError || error instanceof TimeoutError) {
    return Object.assign(
      new AuthenticationError("The other end left, or was silent, before it had proved that it has the key."),
      { cause: error },
    );
  }
  return error;
}

const performConnect = operation(function* connectChannel(
  target: Connectable<ByteStream>,
  key: ChannelKey,
): Coroutine<Channel<never, unknown>> {
  return yield* authenticated(yield* target.connect(), key, proveFirst);
});

const performAccept = operation(function* acceptChannel(
  stream: ByteStream,
  key: ChannelKey,
): Coroutine<Channel<never, unknown>> {
  return yield* authenticated(stream, key, proveSecond);
});

/** What `connectChannel` and `acceptChannel` have to know. */
export interface ChannelOptions {
  /** The same at both ends. */
  readonly key: ChannelKey;
}

/**
 * Connects to somebody who accepts channels with the same key: `tcp(…)`, `tls(…)` or `unix(…)` of `@anyloop/io`.
 *
 * ```ts
 * import { listenTcp, tcp } from "@anyloop/io";
 * import { run, taskGroup, use } from "anyloop";
 * import { acceptChannel, connectChannel } from "@anyloop/bridge-worker/channel";
 *
 * const key = "only for us";
 * await run(
 *   use(listenTcp(0, { host: "127.0.0.1" }), function* (listener) {
 *     const serving = listener.serve(function* (stream) {
 *       const channel = yield* acceptChannel<string, number>(stream, { key });
 *       yield* channel.send(`got ${yield* channel.receive()}`);
 *     });
 *     const there = tcp("127.0.0.1", listener.addresses[0]!.port);
 *     yield* taskGroup(function* (group) {
 *       group.startSoon(serving, { daemon: true });
 *       const channel = yield* connectChannel<number, string>(there, { key });
 *       yield* channel.send(42);
 *       console.log(yield* channel.receive()); // got 42
 *       yield* channel.close();
 *     });
 *   }),
 * );
 * ```
 *
 * @throws AuthenticationError if the other end has another key, or is no such channel; what connecting throws.
 */
export function connectChannel<Sent, Received = Sent>(
  target: Connectable<ByteStream>,
  { key }: ChannelOptions,
): Operation<Channel<Sent, Received>> {
  return performConnect(target, key) as Operation<Channel<Sent, Received>>;
}

/**
 * Makes a channel of a connection that was accepted; for the handler of a listener, which closes it at the end.
 * @throws AuthenticationError if the other end has not proved within 10 s that it has the same key. The connection is
 * closed then; thrown on by the handler, it goes where the listener's `onError` says.
 */
export function acceptChannel<Sent, Received = Sent>(
  stream: ByteStream,
  { key }: ChannelOptions,
): Operation<Channel<Sent, Received>> {
  return performAccept(stream, key) as Operation<Channel<Sent, Received>>;
}
