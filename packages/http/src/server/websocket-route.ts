/**
 * Routes of websockets.
 *
 * Invariant: the handler has an open websocket, closed when it ends; a request that asks for one wrongly was answered, and
 * never reaches it. A client is never told of an orderly end where there was none.
 */
import { CancelScope, type Coroutine, type Handler, isCancelled, use } from "@anyloop/core";
import { acceptWebSocket, type AcceptWebSocketOptions } from "../websocket/accept.ts";
import { goingAway, internalError } from "../websocket/close-code.ts";
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
    yield* use(stream, () => handling(handler, stream, request));
  };
}

function* handling<Params>(
  handler: WebSocketHandler<Params>,
  stream: WebSocketStream,
  request: ServerRequest<Params>,
): Coroutine<void> {
  try {
    yield* new CancelScope({ name: "websocket" }).run(() => handler(stream, request) as PromiseLike<unknown>);
  } catch (error) {
    stream.usualCode = isCancelled(error) ? goingAway : internalError;
    throw error;
  }
}
