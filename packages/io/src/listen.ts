/** Listening, on TCP ports and Unix sockets. */
import { statSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { type AddressInfo, createServer, type ListenOptions } from "node:net";
import { type Coroutine, isCancelled, type Operation, operation, UsageError } from "@anyloop/core";
import { suspendOnHost, type Waiter } from "@anyloop/core/lowlevel";
import { type InternetAddress, internetAddress, showAddress } from "./address.ts";
import { checkSocketPath, connectUnix, socketOptions, tcpStream } from "./connect.ts";
import { resolve } from "./resolve.ts";
import { SocketListener } from "./socket-listener.ts";
import { SocketStream } from "./socket-stream.ts";
import { BindError, codeOf, ConnectError } from "./system-error.ts";

export type TcpListener = SocketListener<InternetAddress>;
export type UnixListener = SocketListener<string>;

export interface ListenUnixOptions {
  /** Connections that the system may keep waiting to be accepted; 511 if not given. */
  readonly backlog?: number | undefined;
}

export interface ListenTcpOptions extends ListenUnixOptions {
  /** Names or addresses of this machine to listen on; all of them, of both families, if not given. */
  readonly host?: string | readonly string[] | undefined;
}

const everywhere = ["0.0.0.0", "::"] as const;
/** Systems keep those below for themselves, unless told otherwise. */
const firstFreePort = 1_024;
/** A free port of one address may be taken on another; then all try another one. */
const portTries = 10;
/** This machine does not have that family. */
const isAbsent = (error: unknown): boolean => ["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(codeOf(error));

/** Binds a server for a listener, which has its connections from the first moment on. */
function bind<Address>(listener: SocketListener<Address>, options: ListenOptions): Operation<void> {
  return suspendOnHost((waiter: Waiter<void>) => {
    const server = createServer(socketOptions);
    listener.acceptFrom(server);
    const onError = (error: Error): void => waiter.fail(error);
    server.once("error", onError);
    server.listen({ ...options, exclusive: true }, () => {
      server.off("error", onError);
      listener.add(server);
      waiter.resume();
    });
    return () => {
      server.removeAllListeners();
      server.on("error", () => {});
      server.close();
      return true;
    };
  });
}

/** Binds each address that this machine has; all get the port of the first. */
function* bindAll(
  listener: TcpListener,
  addresses: readonly InternetAddress[],
  options: ListenOptions,
): Coroutine<void> {
  let absent: unknown;
  for (const { host, port } of addresses) {
    const sharedPort = listener.addresses[0]?.port ?? port;
    try {
      yield* bind(listener, { ...options, host, port: sharedPort, ipv6Only: addresses.length > 1 });
    } catch (error) {
      if (!isAbsent(error)) throw error;
      absent = error;
    }
  }
  if (listener.addresses.length === 0) throw absent;
}

function* addressesOf(hosts: readonly string[], port: number): Coroutine<InternetAddress[]> {
  const addresses = new Map<string, InternetAddress>();
  for (const host of hosts) {
    for (const address of yield* resolve(host, port)) addresses.set(address.host, address);
  }
  return [...addresses.values()];
}

const openTcp = operation(function* listenTcp(
  port: number,
  { host = everywhere, backlog }: ListenTcpOptions,
): Coroutine<TcpListener> {
  const hosts = typeof host === "string" ? [host] : host;
  if (hosts.length === 0)
    throw new UsageError("There is no host to listen on. Leave it out to listen on all addresses.");
  const addresses = yield* addressesOf(hosts, port);
  for (let tries = 1; ; tries++) {
    const listener = new SocketListener(tcpStream, (server) =>
      internetAddress(server.address() as AddressInfo),
    );
    try {
      yield* bindAll(listener, addresses, { backlog });
      return listener;
    } catch (error) {
      yield* listener.close();
      if (isCancelled(error)) throw error;
      if (port === 0 && codeOf(error) === "EADDRINUSE" && tries < portTries) continue;
      const names = hosts.map((name) => showAddress(name, port)).join(", ");
      throw new BindError(`Listening on ${names} failed${needsRights(port, error)}`, error);
    }
  }
});

function needsRights(port: number, error: unknown): string {
  return codeOf(error) === "EACCES" && port < firstFreePort ? ": ports below 1024 need more rights" : "";
}

/** Whether a socket's file was left behind by a program that is no more. */
function* isLeftBehind(path: string): Coroutine<boolean> {
  // A plain file refuses connections too.
  if (!statSync(path).isSocket()) return false;
  try {
    const stream = yield* connectUnix(path);
    yield* stream.close();
    return false;
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    return error.code === "ECONNREFUSED";
  }
}

function* bindUnix(listener: UnixListener, path: string, backlog: number | undefined): Coroutine<void> {
  try {
    yield* bind(listener, { path, backlog });
  } catch (error) {
    // Hosts call a directory that is not there a lack of permission: asked itself, it says ENOENT.
    if (codeOf(error) === "EACCES") statSync(dirname(path));
    if (codeOf(error) !== "EADDRINUSE" || !(yield* isLeftBehind(path))) throw error;
    unlinkSync(path);
    yield* bind(listener, { path, backlog });
  }
}

const openUnix = operation(function* listenUnix(
  path: string,
  { backlog }: ListenUnixOptions,
): Coroutine<UnixListener> {
  try {
    const listener = new SocketListener<string>(
      (socket) => new SocketStream(socket, path, ""),
      () => path,
    );
    yield* bindUnix(listener, path, backlog);
    return listener;
  } catch (error) {
    throw isCancelled(error) ? error : new BindError(`Listening on ${path} failed`, error);
  }
});

/**
 * Listens on a TCP port: on every address that the hosts have, all with the same port. Port 0 takes a free one.
 * @throws BindError if the port is in use or not permitted; ResolveError for an unknown host; UsageError for a port that
 * cannot be.
 */
export function listenTcp(port: number, options: ListenTcpOptions = {}): Operation<TcpListener> {
  return openTcp(port, options);
}

/**
 * Listens on a Unix socket. Closing the listener removes its file; a file that a dead program left behind is replaced.
 * @throws BindError if somebody is listening there, or the file cannot be made; UsageError for an empty path.
 */
export function listenUnix(path: string, options: ListenUnixOptions = {}): Operation<UnixListener> {
  checkSocketPath(path);
  return openUnix(path, options);
}
