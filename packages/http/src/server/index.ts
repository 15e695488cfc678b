/** The server: applications, routes, requests and responses, and `serve`. */
export { type AccessEntry, accessLine, type AccessLog } from "./access-log.ts";
export { Application, type Provider } from "./application.ts";
export type { FetchHandler } from "./fetch-view.ts";
export type { Middleware as ServerMiddleware, RequestHandler } from "./handle.ts";
export { type HeadersInit, HttpHeaders } from "../headers.ts";
export { HttpError, type HttpErrorOptions } from "./http-error.ts";
export type { Limits } from "./limits.ts";
export type { MultipartOptions, Part } from "./multipart.ts";
export type { ParamsOf } from "./path-pattern.ts";
export { type Answer, ServerRequest } from "./request.ts";
export {
  type ResponseBody,
  type ResponseInit,
  ServerResponse,
  type StreamSource,
  type Write,
} from "./response.ts";
export { Router, type RouteOptions } from "./router.ts";
export { serve, type ServeOptions, type ServerStatistics, type Serving } from "./serve.ts";
export type { StaticFilesOptions } from "./static-files.ts";
export { Storage, StorageKey } from "./storage.ts";
export { TestClient, type TestRequestInit, type TestResponse } from "./test-client.ts";
export type { Upgrade, UpgradeHandler } from "./upgrade.ts";
export type { WebSocketHandler } from "./websocket-route.ts";
export { acceptWebSocket, type AcceptWebSocketOptions } from "../websocket/accept.ts";
export { encodeEvent, type EventToSend } from "../events/index.ts";
