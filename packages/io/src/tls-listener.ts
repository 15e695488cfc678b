/**
 * TLS on the server's side, over any listener.
 *
 * Invariant: a client that does not finish its handshake holds up nobody but itself, and not for long: each handshake is
 * part of its own connection's task and has a time limit.
 */
import {
  type Body,
  type ByteStream,
  type Coroutine,
  failAfter,
  type Handler,
  isCancelled,
  type Listener,
  type Operation,
  perform,
  use,
} from "@anyloop/core";
import type { ServeOptions } from "./socket-listener.ts";
import { checkServerOptions, type TlsServerOptions } from "./tls-options.ts";
import { TlsStream } from "./tls-stream.ts";

export interface TlsListenerOptions extends TlsServerOptions {
  /** Milliseconds for a handshake; 30 000 if not given. */
  readonly handshakeTimeout?: number | undefined;
}

const defaultHandshakeTimeout = 30_000;

/**
 * ```ts
 * import { listenTcp, TlsListener } from "@anyloop/io";
 *
 * const secured = async (key: string, cert: string) =>
 *   new TlsListener(await listenTcp(443), { key, cert, alpn: ["http/1.1"] });
 * ```
 */
export class TlsListener<S extends ByteStream> implements Listener<TlsStream> {
  /** What the connections come from. */
  readonly listener: Listener<S>;
  private readonly options: TlsServerOptions & { readonly serverSide: true };
  private readonly handshakeTimeout: number;

  /** @throws TlsError for keys and certificates that cannot be used; UsageError if there are none. */
  constructor(listener: Listener<S>, options: TlsListenerOptions) {
    const { handshakeTimeout = defaultHandshakeTimeout, ...tls } = options;
    this.listener = listener;
    this.options = { ...tls, serverSide: true };
    this.handshakeTimeout = handshakeTimeout;
    // Now, and not with the first client.
    checkServerOptions(this.options);
  }

  /**
   * Runs the handler for each connection once it has shaken hands, as a task of its own, and closes it afterwards. A
   * handshake that fails or takes too long is treated as a handler that failed: `onError` is told, with the connection
   * below TLS; without one the listener below does what it does with handlers that fail.
   */
  serve(handler: Handler<[stream: TlsStream]>, { onError }: ServeOptions<S> = {}): Operation<never> {
    return this.listener.serve((stream) => perform(this, this.handle, stream, handler, onError));
  }

  close(): Operation<void> {
    return this.listener.close();
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *handle(
    stream: S,
    handler: Handler<[stream: TlsStream]>,
    onError: ServeOptions<S>["onError"],
  ): Coroutine<void> {
    try {
      const secured = yield* failAfter(this.handshakeTimeout, TlsStream.wrap(stream, this.options));
      yield* use(secured, handler as Body<unknown, [TlsStream]>);
    } catch (error) {
      if (onError === undefined || isCancelled(error)) throw error;
      onError(error, stream);
    }
  }
}
