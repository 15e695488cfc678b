/** Where an echo server is, or is to be: a TCP port or a Unix socket, with TLS or without. */
import { type ByteStream, type Connectable, type Coroutine, type Operation, operation } from "anyloop";
import {
  listenTcp,
  listenUnix,
  type SocketListener,
  tcp,
  tls,
  type TlsClientOptions,
  unix,
} from "@anyloop/io";

export type Endpoint =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

export function connectableAt(
  endpoint: Endpoint,
  security: TlsClientOptions | undefined,
): Connectable<ByteStream> {
  const target = endpoint.kind === "tcp" ? tcp(endpoint.host, endpoint.port) : unix(endpoint.path);
  return security === undefined ? target : tls(target, security);
}

/** A listener, and where to find it. */
export interface Listening {
  readonly listener: SocketListener<unknown>;
  readonly at: string;
}

export const listenAt: (endpoint: Endpoint) => Operation<Listening> = operation(function* listenAt(
  endpoint: Endpoint,
): Coroutine<Listening> {
  if (endpoint.kind === "unix") return { listener: yield* listenUnix(endpoint.path), at: endpoint.path };
  const listener = yield* listenTcp(endpoint.port, { host: endpoint.host });
  const at = listener.addresses.map(({ host, port }) => `${host} port ${port}`).join(", ");
  return { listener, at };
});
