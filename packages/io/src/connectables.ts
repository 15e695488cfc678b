/** Where to connect to, as a value: for code that connects when it likes, and need not know to what. From anyio. */
import type { ByteStream, Connectable, Coroutine, Operation } from "@anyloop/core";
import { operation } from "@anyloop/core";
import {
  connectTcp,
  type ConnectTcpOptions,
  connectUnix,
  type TcpStream,
  type UnixStream,
} from "./connect.ts";
import type { TlsClientOptions } from "./tls-options.ts";
import { TlsStream } from "./tls-stream.ts";

/** A TCP port. */
export function tcp(
  host: string,
  port: number,
  options: Omit<ConnectTcpOptions, "tls"> = {},
): Connectable<TcpStream> {
  return { connect: () => connectTcp(host, port, { ...options, tls: false }) };
}

/** A Unix socket. */
export function unix(path: string): Connectable<UnixStream> {
  return { connect: () => connectUnix(path) };
}

const connectTls = operation(function* connectTls(
  target: Connectable<ByteStream>,
  options: TlsClientOptions,
): Coroutine<TlsStream> {
  return yield* TlsStream.wrap(yield* target.connect(), options);
});

/** TLS over whatever can be connected to. Give the `hostname` that the certificate must have. */
export function tls(target: Connectable<ByteStream>, options: TlsClientOptions = {}): Connectable<TlsStream> {
  return { connect: (): Operation<TlsStream> => connectTls(target, options) };
}
