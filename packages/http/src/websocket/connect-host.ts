/** The client's side of a websocket over the host's own `WebSocket`. */
import { type Coroutine, type Operation, operation, UsageError } from "@anyloop/core";
import { suspendOnHost } from "@anyloop/core/lowlevel";
import type { ConnectWebSocketOptions } from "./connect-framed.ts";
import { WebSocketHandshakeError } from "./handshake-error.ts";
import { HostCarrier } from "./host-carrier.ts";
import { WebSocketStream } from "./web-socket-stream.ts";

/** What the host decides by itself, or does not let anybody do. */
const impossible = ["headers", "pingInterval", "pongTimeout", "tls", "socket"] as const;

/** What `connectWebSocket` does in browsers and on Bun. */
export const connectHost: (url: URL, options: ConnectWebSocketOptions) => Operation<WebSocketStream> =
  operation(function* connectHost(url: URL, options: ConnectWebSocketOptions): Coroutine<WebSocketStream> {
    const { protocols = [], maxMessageBytes = 1_048_576, closeTimeout = 10_000 } = options;
    for (const name of impossible) {
      if (options[name] !== undefined) {
        throw new UsageError(`The WebSocket of this runtime has no ${name}. Leave it out here.`);
      }
    }
    const socket = yield* opened(url, protocols);
    return new WebSocketStream((events) => new HostCarrier(socket, maxMessageBytes, events), closeTimeout);
  });

function opened(url: URL, protocols: readonly string[]): Operation<WebSocket> {
  return suspendOnHost(function webSocketHandshake(waiter) {
    const socket = new WebSocket(url, [...protocols]);
    const listening = new AbortController();
    const { signal } = listening;
    const open = (): void => {
      listening.abort();
      waiter.resume(socket);
    };
    const refused = (): void => {
      listening.abort();
      waiter.fail(new WebSocketHandshakeError(`Cannot open a websocket to ${url.host}.`));
    };
    socket.addEventListener("open", open, { signal });
    // Node 22 tells of a connection that was not made by an error alone.
    socket.addEventListener("error", refused, { signal });
    socket.addEventListener("close", refused, { signal });
    return () => {
      listening.abort();
      socket.close();
      return true;
    };
  });
}
