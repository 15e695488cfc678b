/**
 * Opens the sockets of a session: TCP or a Unix socket, through a proxy or not, with TLS or not.
 *
 * Invariant: the socket under way is known from the first moment, so a connection that nobody wants any more is broken off
 * at once, whatever step it is at.
 */
import type { Socket } from "node:net";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import type { buildConnector as BuildConnector } from "undici";
import { openTunnel, type Proxy, proxyFailed } from "./proxy.ts";

/** What `node:tls` takes for a client: `ca`, `cert`, `key`, `rejectUnauthorized`, `minVersion`, `servername`, … */
export type TlsOptions = Readonly<
  Pick<
    ConnectionOptions,
    | "ca"
    | "cert"
    | "checkServerIdentity"
    | "ciphers"
    | "crl"
    | "ecdhCurve"
    | "key"
    | "maxVersion"
    | "minVersion"
    | "passphrase"
    | "pfx"
    | "rejectUnauthorized"
    | "servername"
    | "sigalgs"
  >
>;

/** Told how far a socket has come. */
export interface ConnectWatch {
  started(): void;
  connected(): void;
  secured(protocol: string): void;
}

export interface Connecting {
  readonly connect: BuildConnector.connector;
  /** What was agreed on in TLS; undefined without it. */
  protocol(): string | undefined;
  /** Breaks off what is under way; calls back once its socket is closed. */
  destroy(closed: () => void): void;
}

/** The sockets of one connection; it may be opened again after the server has closed it. */
export function connecting(
  make: BuildConnector.connector,
  secure: BuildConnector.connector,
  tunnel: { readonly proxy: Proxy; readonly authority: string } | undefined,
  milliseconds: number,
  timeoutError: () => Error,
  watch: ConnectWatch,
): Connecting {
  let socket: Socket | undefined;
  let timer: NodeJS.Timeout | undefined;

  const connect: BuildConnector.connector = (options, callback) => {
    watch.started();
    const finish = (error: Error | null, opened: Socket | TLSSocket | null): void => {
      clearTimeout(timer);
      if (error !== null || opened === null) callback(error ?? new Error("No socket was opened."), null);
      else callback(null, opened);
    };
    const opening = tunnel === undefined ? make : throughTunnel;
    // undici's connectors give the socket at once, though their type does not say so.
    const first = opening(options, finish) as unknown as Socket;
    socket = first;
    if (milliseconds !== Infinity) timer = setTimeout(() => socket?.destroy(timeoutError()), milliseconds);
    // Before undici's own listener, which sends the request.
    const isSecure = options.protocol === "https:";
    if (tunnel === undefined) first.prependOnceListener("connect", () => watch.connected());
    if (tunnel === undefined && isSecure) watchTls(first as TLSSocket);
  };

  function watchTls(secured: TLSSocket): void {
    secured.prependOnceListener("secureConnect", () =>
      watch.secured(secured.alpnProtocol === "h2" ? "h2" : "http/1.1"),
    );
  }

  function throughTunnel(options: BuildConnector.Options, callback: BuildConnector.Callback): Socket {
    const { proxy, authority } = tunnel as { proxy: Proxy; authority: string };
    const { hostname, protocol, port } = proxy.url;
    return make({ hostname, protocol, port }, (error, opened) => {
      if (error !== null || opened === null) {
        callback(proxyFailed(proxy, error ?? new Error("No socket was opened.")), null);
        return;
      }
      openTunnel(opened, authority, proxy.authorization, (refused) => {
        if (refused !== undefined) {
          opened.destroy();
          callback(proxyFailed(proxy, refused), null);
          return;
        }
        watch.connected();
        const inner = secure({ ...options, httpSocket: opened }, callback) as unknown as TLSSocket;
        socket = inner;
        watchTls(inner);
      });
    }) as unknown as Socket;
  }

  return {
    connect,
    protocol() {
      const { alpnProtocol } = (socket ?? {}) as Partial<TLSSocket>;
      return typeof alpnProtocol === "string" ? alpnProtocol : undefined;
    },
    destroy(closed) {
      // A socket that is destroyed for no error tells nobody who waits for it.
      clearTimeout(timer);
      if (socket === undefined || socket.closed) {
        closed();
        return;
      }
      socket.once("close", closed);
      socket.destroy();
    },
  };
}
