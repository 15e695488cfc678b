/** Sockets and TLS, files, processes, signals and workers, as operations: cancellable, on any backend. */
export type { InternetAddress } from "./address.ts";
export { BindError, ConnectError, ResolveError, SystemError } from "./system-error.ts";
