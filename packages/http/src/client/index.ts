/** The client. Nothing here needs Node to be imported: what does is loaded when it is used. */
export type { Credentials } from "./authentication.ts";
export type { BodyInit, BodyOptions } from "./body.ts";
export type { TlsOptions } from "./connector.ts";
export {
  BodyTooLarge,
  ChunkTimeout,
  ConnectionFailed,
  ConnectTimeout,
  DecompressionFailed,
  FirstByteTimeout,
  InvalidResponse,
  PoolTimeout,
  RedirectError,
  RequestTimeout,
  type TimeoutPhase,
  TotalTimeout,
} from "./errors.ts";
export { type HeadersInit, HttpHeaders } from "../headers.ts";
export type { TransportName } from "./load-transport.ts";
export type { Middleware as ClientMiddleware, Next } from "./middleware.ts";
export type { ProxyOptions } from "./proxy.ts";
export type { ClientRequest, RequestChanges, RequestOptions } from "./request.ts";
export { type BodyReceiveStream, type ClientResponse, StatusError } from "./response.ts";
export type { RetryPolicy } from "./retry.ts";
export { type ClientOptions, ClientSession, type SessionDefaults } from "./session.ts";
export type { SessionEventOptions } from "./session-connections.ts";
export type { QueryInit } from "./target.ts";
export type { TimeoutOptions } from "./timeouts.ts";
export type { Trace, TracedRequest } from "./trace.ts";
export type { ClientStatistics } from "./transport.ts";
export type { ConnectionOptions } from "./connection-options.ts";
export * from "../events/index.ts";
export { WebSocketClosedError } from "../websocket/close-code.ts";
export { connectWebSocket } from "../websocket/connect.ts";
export type { ConnectWebSocketOptions } from "../websocket/connect-framed.ts";
export { WebSocketHandshakeError } from "../websocket/handshake-error.ts";
export type { Message } from "../websocket/message.ts";
export { WebSocketStream } from "../websocket/web-socket-stream.ts";
