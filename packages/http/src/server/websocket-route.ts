/**
 * Routes of websockets.
 *
 * Invariant: the handler has an open websocket, closed when it ends; a request that asks for one wrongly was answered, and
 * never reaches it.
 */
import { type Coroutine, type Handler, use } from "@anyloop/core";
import { acceptWebSocket, type AcceptWebSocketOptions } from "../websocket/accept.ts";
import { WebSocketHandshakeError } from "../websocket/handshake-error.ts";
import type { WebSocketStream } from "../websocket/web-socket-stream.ts";
import type { ServerRequest } from "./request.ts";
import type { Upgrade, UpgradeHandler } from "./upgrade.ts";

export type WebSocketHandler<Params = Readonly<Record<string, string>>> = Handler<
  [socket: WebSocketStream, request: ServerRequest<Params>]
>;

export function webSocketUpgrade<Params>(
  handler: WebSocketHandler<Params>,
  options: AcceptWebSocketOptions | undefined,
): UpgradeHandler<Params> {
  return function* websocket({ request, raw, socket, head }: Upgrade<Params>): Coroutine<void> {
    let stream: WebSocketStream;
    try {
      stream = yield* acceptWebSocket(raw, socket, head, options);
    } catch (error) {
      if (error instanceof WebSocketHandshakeError) return;
      throw error;
    }
    yield* use(stream, () => handler(stream, request) as PromiseLike<unknown>);
  };
}
