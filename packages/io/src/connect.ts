/** Connecting, to TCP ports and Unix sockets. */
import { connect as netConnect, type NetConnectOpts, type Socket } from "node:net";
import {
  type ByteStream,
  type Coroutine,
  isCancelled,
  type Operation,
  operation,
  UsageError,
} from "@anyloop/core";
import { suspendOnHost, type Waiter } from "@anyloop/core/lowlevel";
import { type InternetAddress, internetAddress, showAddress } from "./address.ts";
import { happyEyeballs, interleave } from "./happy-eyeballs.ts";
import { resolve } from "./resolve.ts";
import { SocketStream } from "./socket-stream.ts";
import { ConnectError } from "./system-error.ts";
import type { TlsClientOptions } from "./tls-options.ts";
import { TlsStream } from "./tls-stream.ts";

export type TcpStream = SocketStream<InternetAddress>;
export type UnixStream = SocketStream<string>;

export interface ConnectTcpOptions {
  /** Speaks TLS over the connection: `true`, or how. The server must have a certificate for `host`. */
  readonly tls?: boolean | TlsClientOptions | undefined;
  /** The IP address of this machine to connect from; the system chooses if not given. */
  readonly localAddress?: string | undefined;
  /** Milliseconds until the next address of a host is tried beside the first; 250 if not given. */
  readonly happyEyeballsDelay?: number | undefined;
}

/** Settings that every socket of ours has. Sends are gathered already; the system must not hold them back once more. */
export const socketOptions = { allowHalfOpen: true, noDelay: true } as const;

/** One attempt. Cancelled, it leaves no socket. `wrap` takes the socket over before anything can come. */
function attempt<S>(target: NetConnectOpts, wrap: (socket: Socket) => S): Operation<S> {
  return suspendOnHost((waiter: Waiter<S>) => {
    const socket = netConnect({ ...target, ...socketOptions });
    const onError = (error: Error): void => waiter.fail(error);
    socket.once("error", onError);
    socket.once("connect", () => {
      socket.off("error", onError);
      waiter.resume(wrap(socket));
    });
    return () => {
      socket.removeAllListeners();
      // A socket that is given up may fail all the same.
      socket.on("error", () => {});
      socket.destroy();
      return true;
    };
  });
}

/** What the system says of an end of a connection; a connection that was reset meanwhile has no ends any more. */
function addressOf(address: string | undefined, port: number | undefined): InternetAddress {
  return internetAddress({ address: address ?? "0.0.0.0", port: port ?? 0 });
}

export function tcpStream(socket: Socket): TcpStream {
  return new SocketStream(
    socket,
    addressOf(socket.localAddress, socket.localPort),
    addressOf(socket.remoteAddress, socket.remotePort),
  );
}

const openTcp = operation(function* connectTcp(
  host: string,
  port: number,
  { localAddress, happyEyeballsDelay: delay }: ConnectTcpOptions,
): Coroutine<TcpStream> {
  const addresses = interleave(yield* resolve(host, port));
  return yield* happyEyeballs(
    addresses,
    (address) => attempt({ host: address.host, port, localAddress }, tcpStream),
    (errors) => new ConnectError(`Connecting to ${showAddress(host, port)} failed`, errors),
    { delay },
  );
});

const openUnix = operation(function* connectUnix(path: string): Coroutine<UnixStream> {
  try {
    return yield* attempt({ path }, (socket) => new SocketStream(socket, "", path));
  } catch (error) {
    throw isCancelled(error) ? error : new ConnectError(`Connecting to ${path} failed`, [error]);
  }
});

const openTls = operation(function* connectTls(
  transport: Operation<ByteStream>,
  options: TlsClientOptions,
): Coroutine<TlsStream> {
  return yield* TlsStream.wrap(yield* transport, options);
});

/**
 * Connects to a TCP port. A host of several addresses is tried as RFC 8305 says: the next address after a delay, or at
 * once when one fails; the first to answer is given, the others are closed.
 * @throws ConnectError with the errors of all attempts; ResolveError for an unknown host; UsageError for a port that
 * cannot be; with `tls` what `TlsStream.wrap` throws.
 */
export function connectTcp(
  host: string,
  port: number,
  options?: ConnectTcpOptions & { readonly tls?: false | undefined },
): Operation<TcpStream>;
export function connectTcp(
  host: string,
  port: number,
  options: ConnectTcpOptions & { readonly tls: true | TlsClientOptions },
): Operation<TlsStream>;
export function connectTcp(
  host: string,
  port: number,
  options?: ConnectTcpOptions,
): Operation<TcpStream | TlsStream>;
export function connectTcp(
  host: string,
  port: number,
  options: ConnectTcpOptions = {},
): Operation<TcpStream | TlsStream> {
  const { tls = false } = options;
  if (tls === false) return openTcp(host, port, options);
  return openTls(openTcp(host, port, options), { hostname: host, ...(tls === true ? {} : tls) });
}

/** Hosts take an empty path for one that nobody listens on, or for none. */
export function checkSocketPath(path: string): void {
  if (typeof path !== "string" || path === "")
    throw new UsageError("There is no path. Give the one of the socket's file.");
}

/** Connects to a Unix socket by the path of its file. @throws ConnectError; UsageError for an empty path. */
export function connectUnix(path: string): Operation<UnixStream> {
  checkSocketPath(path);
  return openUnix(path);
}
