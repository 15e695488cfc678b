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
export { BindError, ConnectError, ModuleError, ResolveError, SystemError } from "./system-error.ts";
export { CertificateError, TlsError } from "./tls-error.ts";
export type { TlsClientOptions, TlsServerOptions } from "./tls-options.ts";
export { TlsStream } from "./tls-stream.ts";
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
export {
  type AllPiped,
  type Command,
  type ExitStatus,
  openProcess,
  Process,
  type ProcessOptions,
  type StandardStream,
} from "./process.ts";
export { type PathLike } from "./path-like.ts";
export { PipeReceiveStream, PipeSendStream } from "./pipe.ts";
export { CompletedProcess, ProcessFailed, runProcess, type RunProcessOptions } from "./run-process.ts";
export { runMain } from "./run-main.ts";
export { signals } from "./signals.ts";
export { type FileMode, openFile, OpenFile, type SeekOrigin } from "./file.ts";
export { appendFile, type FileData, readFile, readText, type ReadTextOptions, writeFile } from "./files.ts";
export { Path } from "./path.ts";
export {
  tempDirectory,
  tempFile,
  TemporaryDirectory,
  TemporaryFile,
  type TemporaryFileOptions,
  type TemporaryOptions,
} from "./temporary.ts";
export { type FileChange, watch, type WatchOptions } from "./watch.ts";
export { callback } from "./callback.ts";
export {
  processLimiter,
  runInProcess,
  runInThread,
  type RunInWorkerOptions,
  threadLimiter,
} from "./run-in-worker.ts";
export { threadChannel, type ThreadPort, type ThreadStream, threadStream } from "./thread-channel.ts";
export type { ModuleFunction } from "./travel.ts";
export { type BlockingStep, detectBlocking } from "./detect-blocking.ts";
