/** Sockets and TLS, files, processes, signals and workers, as operations: cancellable, on any backend. */
export type { InternetAddress } from "./address.ts";
export {
  connectTcp,
  type ConnectTcpOptions,
  connectUnix,
  type TcpStream,
  type UnixStream,
} from "./connect.ts";
export { happyEyeballs, type HappyEyeballsOptions, interleave } from "./happy-eyeballs.ts";
export {
  listenTcp,
  type ListenTcpOptions,
  listenUnix,
  type ListenUnixOptions,
  type TcpListener,
  type UnixListener,
} from "./listen.ts";
export { resolve } from "./resolve.ts";
export { AcceptError, type ServeOptions, SocketListener } from "./socket-listener.ts";
export { SocketStream } from "./socket-stream.ts";
export { BindError, ConnectError, ResolveError, SystemError } from "./system-error.ts";
export {
  CertificateError,
  type TlsClientOptions,
  TlsError,
  type TlsServerOptions,
  TlsStream,
} from "./tls-stream.ts";
export { tcp, tls, unix } from "./connectables.ts";
export {
  connectedUdpSocket,
  ConnectedUdpSocket,
  type Datagram,
  udpSocket,
  UdpSocket,
  type UdpOptions,
} from "./datagrams.ts";
export { TlsListener, type TlsListenerOptions } from "./tls-listener.ts";
