/**
 * TLS over any byte stream: a socket, a pair in memory, another TLS stream through a proxy. From anyio's TLSStream.
 *
 * Invariant: encrypted bytes go out in the order in which they were made, whichever task sends them; those that a
 * cancelled task could not send are sent by the next operation. Only one task at a time reads from the transport.
 */
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";
import {
  BrokenResourceError,
  type ByteStream,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  isCancelled,
  Lock,
  moveOnAfter,
  type Operation,
  perform,
  ResourceGuard,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { checkBytes, checkMaxBytes, defaultMaxBytes } from "./byte-arguments.ts";
import { explain } from "./system-error.ts";
import { hostTurnOver, type TlsEngine } from "./tls-engine.ts";
import { handshakeError } from "./tls-error.ts";
import { openEngine, type WrapOptions } from "./tls-options.ts";

/** Turns of the host in which TLS tells what the last bytes meant: one on Node and Bun, more on Deno. */
const lastTurns = 4;
/** Milliseconds for telling the other side why the handshake failed. */
const alertPatience = 1_000;
export class TlsStream implements ByteStream {
  /** What TLS runs over. */
  readonly transport: ByteStream;
  private readonly engine: TlsEngine;
  private readonly standardCompatible: boolean;
  private readonly outputLock = new Lock();
  private readonly receiving = new ResourceGuard("receiving from");
  private readonly sending = new ResourceGuard("sending to");
  private isClosed = false;
  private hasSentEof = false;
  private isCut = false;

  private constructor(transport: ByteStream, engine: TlsEngine, standardCompatible: boolean) {
    this.transport = transport;
    this.engine = engine;
    this.standardCompatible = standardCompatible;
  }

  /**
   * Shakes hands over a stream, as its client or, with `serverSide`, as its server. If it fails the stream is closed.
   * @throws CertificateError; TlsError if the sides cannot agree, or for keys and certificates that cannot be used;
   * UsageError for a client without `hostname`, or a server without a certificate; BrokenResourceError.
   */
  static wrap(stream: ByteStream, options: WrapOptions = {}): Operation<TlsStream> {
    return perform(undefined, TlsStream.open, stream, options);
  }

  private static *open(stream: ByteStream, options: WrapOptions): Coroutine<TlsStream> {
    let engine: TlsEngine;
    try {
      engine = openEngine(options);
    } catch (error) {
      yield* stream.close();
      throw error;
    }
    const tls = new TlsStream(stream, engine, options.standardCompatible ?? true);
    try {
      yield* tls.handshake();
    } catch (error) {
      yield* tls.abandon();
      throw error;
    }
    return tls;
  }

  /** The protocol agreed on by ALPN, if any. */
  get alpnProtocol(): string | undefined {
    const { alpnProtocol } = this.raw;
    return typeof alpnProtocol === "string" ? alpnProtocol : undefined;
  }

  /** `TLSv1.3`, `TLSv1.2`. */
  get version(): string | undefined {
    return this.raw.getProtocol() ?? undefined;
  }

  /** The other side's certificate; undefined for a client that gave none. */
  get peerCertificate(): DetailedPeerCertificate | undefined {
    const certificate = this.raw.getPeerCertificate(true);
    return Object.keys(certificate).length === 0 ? undefined : certificate;
  }

  /** The runtime's own TLS socket, for what else it can tell. It is not connected to anything. */
  get raw(): TLSSocket {
    return this.engine.socket;
  }

  /**
   * At least one byte and at most `maxBytes` (65 536 if not given).
   * @throws EndOfStream; BrokenResourceError also if the connection was cut (see `standardCompatible`);
   * ClosedResourceError, BusyResourceError; UsageError for a bad `maxBytes`.
   */
  receive(maxBytes: number = defaultMaxBytes): Operation<Uint8Array> {
    checkMaxBytes(maxBytes);
    return perform(this, this.doReceive, maxBytes);
  }

  /**
   * Encrypts and sends; waits while the transport does. What was encrypted goes out even if the task is cancelled.
   * @throws BrokenResourceError, ClosedResourceError, BusyResourceError; UsageError for a text.
   */
  send(data: Uint8Array): Operation<void> {
    checkBytes(data);
    return perform(this, this.doSend, data);
  }

  /** Ends the sending direction of TLS. The peer can still answer, if its TLS knows half-closed connections. */
  sendEof(): Operation<void> {
    return perform(this, this.doSendEof);
  }

  /**
   * Ends TLS and waits until the peer has ended it too; the transport goes on without. Gives it, with the bytes that have
   * already come behind the end of TLS; what came before and was not received is dropped. The TLS stream is closed by this.
   * Cancelled while it waits, it can be called again.
   * @throws BrokenResourceError if the connection is cut before (see `standardCompatible`); ClosedResourceError.
   */
  unwrap(): Operation<{ stream: ByteStream; rest: Uint8Array }> {
    return perform(this, this.doUnwrap);
  }

  /** Says to the peer that nothing more comes (see `standardCompatible`) and closes the transport. Does not wait for the peer's own end. */
  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *handshake(): Coroutine<void> {
    const { engine } = this;
    while (!engine.isSecure) {
      if (engine.error !== undefined) throw handshakeError(engine.error);
      if (this.isCut) throw new BrokenResourceError("The other side hung up in the TLS handshake.");
      yield* this.advance();
    }
    // The last words of the handshake may come out after the event that tells its end.
    for (let turn = 0; turn < lastTurns; turn++) {
      yield* this.flush();
      yield* hostTurnOver();
    }
    yield* this.flush();
  }

  /** After a handshake that failed: the other side may be told why. */
  private *abandon(): Coroutine<void> {
    this.isClosed = true;
    try {
      yield* moveOnAfter(alertPatience, perform(this, this.flush));
    } catch (error) {
      if (!(error instanceof BrokenResourceError)) throw error;
    } finally {
      this.engine.destroy();
      yield* this.transport.close();
    }
  }

  private *doReceive(maxBytes: number): Coroutine<Uint8Array> {
    yield* checkpointIfCancelled();
    this.assertOpen();
    const inside = this.receiving.enter();
    try {
      for (;;) {
        const bytes = this.engine.take(maxBytes);
        if (bytes !== undefined) return bytes;
        const problem = this.endOfReceiving();
        if (problem !== undefined) throw problem;
        yield* this.advance();
        this.assertOpen();
      }
    } finally {
      inside[Symbol.dispose]();
    }
  }

  private *doSend(data: Uint8Array): Coroutine<void> {
    const { engine } = this;
    yield* checkpointIfCancelled();
    this.assertOpen();
    if (this.hasSentEof) throw new ClosedResourceError("The sending direction was ended by sendEof().");
    const inside = this.sending.enter();
    try {
      this.assertWorking();
      while (!engine.isIdle) yield* engine.change.next();
      yield* this.flush();
      this.assertOpen();
      if (data.length > 0) yield* this.sendAccepted(data);
    } finally {
      inside[Symbol.dispose]();
    }
  }

  /** From here on the data belongs to the TLS stream: a cancellation comes too late, and is for the next operation. */
  private *sendAccepted(data: Uint8Array): Coroutine<void> {
    const { engine } = this;
    try {
      if (!engine.write(data)) while (!engine.isIdle) yield* engine.change.next();
      yield* this.flush();
    } catch (error) {
      if (!isCancelled(error)) throw error;
      // Somebody who receives can send what is left.
      engine.changed();
    }
  }

  private *doSendEof(): Coroutine<void> {
    yield* checkpointIfCancelled();
    this.assertOpen();
    const inside = this.sending.enter();
    try {
      this.assertWorking();
      yield* this.end();
    } finally {
      inside[Symbol.dispose]();
    }
  }

  private *doUnwrap(): Coroutine<{ stream: ByteStream; rest: Uint8Array }> {
    yield* this.doSendEof();
    const inside = this.receiving.enter();
    try {
      while (!this.engine.hasPeerEnded) {
        // What still comes before the end is nobody's any more.
        while (this.engine.take(defaultMaxBytes) !== undefined);
        const problem = this.endOfReceiving();
        if (problem instanceof BrokenResourceError) throw problem;
        if (this.isCut) break;
        yield* this.advance();
        this.assertOpen();
      }
    } finally {
      inside[Symbol.dispose]();
    }
    this.isClosed = true;
    const rest = this.engine.takeRest();
    this.engine.destroy();
    return { stream: this.transport, rest };
  }

  private *doClose(): Coroutine<void> {
    if (this.isClosed) {
      yield* checkpointIfCancelled();
      return;
    }
    this.isClosed = true;
    const saysGoodbye = this.canSayGoodbye();
    try {
      if (saysGoodbye) yield* this.end();
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      this.engine.destroy();
      yield* this.closeTransport(saysGoodbye);
    }
  }

  private *closeTransport(hasSaidGoodbye: boolean): Coroutine<void> {
    try {
      yield* this.transport.close();
    } catch (error) {
      if (!(hasSaidGoodbye && isGone(error))) throw error;
    }
  }

  /** Not behind a task that waits for a peer who does not read: closing wakes it. */
  private canSayGoodbye(): boolean {
    return (
      this.standardCompatible && this.engine.error === undefined && !this.isCut && !this.outputLock.locked
    );
  }

  /** Says in TLS that nothing more comes. */
  private *end(): Coroutine<void> {
    const { engine } = this;
    this.hasSentEof = true;
    engine.end();
    while (!engine.hasEnded && engine.error === undefined) yield* engine.change.next();
    yield* this.flush();
  }

  /** One step towards more bytes: sends what TLS wants sent, or feeds it what has come, or waits for more to come. */
  private *advance(): Coroutine<void> {
    const { engine } = this;
    // Whoever holds the lock sends our output too.
    if (engine.output.length > 0 && !this.outputLock.locked) {
      yield* this.flushWhileReceiving();
    } else if (engine.feed()) {
      if (engine.mayHaveEnded) yield* hostTurnOver();
    } else {
      yield* this.receiveMore();
    }
  }

  /** Waits for bytes from the transport, but not if TLS has something else to do meanwhile. */
  private *receiveMore(): Coroutine<void> {
    const { engine, transport } = this;
    const scope = new CancelScope({ name: "TLS has something to do" });
    const unwatch = engine.change.watch(() => scope.cancel());
    try {
      const bytes = yield* scope.run(transport.receive());
      if (bytes !== undefined) engine.receive(bytes);
    } catch (error) {
      if (!(error instanceof EndOfStream)) throw error;
      yield* this.transportEnded();
    } finally {
      unwatch();
    }
  }

  private *transportEnded(): Coroutine<void> {
    // The peer's last word may have come just before, and is told by a later callback.
    for (let turn = 0; turn < lastTurns && !this.engine.hasPeerEnded; turn++) yield* hostTurnOver();
    this.isCut = !this.engine.hasPeerEnded;
  }

  /** A peer that takes nothing any more may have sent something before: only who sends is told. */
  private *flushWhileReceiving(): Coroutine<void> {
    try {
      yield* this.flush();
    } catch (error) {
      if (!(error instanceof BrokenResourceError)) throw error;
      this.engine.output.length = 0;
    }
  }

  /** Sends everything that TLS wants sent, in order. */
  private *flush(): Coroutine<void> {
    const { output } = this.engine;
    const held = yield* this.outputLock.acquire();
    try {
      for (let [next] = output; next !== undefined; [next] = output) {
        yield* this.transport.send(next);
        output.shift();
      }
    } finally {
      held.release();
    }
  }

  /** Why nothing more can be received, once everything that came was taken. */
  private endOfReceiving(): Error | undefined {
    const { error, hasPeerEnded } = this.engine;
    if (hasPeerEnded || (this.isCut && !this.standardCompatible)) return new EndOfStream();
    if (this.isCut) return new BrokenResourceError("The connection was cut: the peer did not end TLS first.");
    return error === undefined ? undefined : broken(error);
  }

  private assertOpen(): void {
    if (this.isClosed) throw new ClosedResourceError();
  }

  private assertWorking(): void {
    if (this.engine.error !== undefined) throw broken(this.engine.error);
  }
}

/** The peer is gone already: it needs no word of ours. */
function isGone(error: unknown): boolean {
  return error instanceof BrokenResourceError || error instanceof ClosedResourceError;
}

function broken(cause: Error): BrokenResourceError {
  return new BrokenResourceError(explain("TLS broke", cause), { cause });
}
