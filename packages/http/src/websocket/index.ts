/** Websockets as streams of messages. */
export { acceptWebSocket, type AcceptWebSocketOptions } from "./accept.ts";
export { WebSocketClosedError } from "./close-code.ts";
export { connectWebSocket } from "./connect.ts";
export type { ConnectWebSocketOptions } from "./connect-framed.ts";
export { WebSocketHandshakeError } from "./handshake-error.ts";
export type { Message } from "./message.ts";
export type { WebSocketHeaders, WebSocketOptions } from "./options.ts";
export { WebSocketStream } from "./web-socket-stream.ts";
