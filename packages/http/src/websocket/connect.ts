/** Opens a websocket: over a socket where there are any, else over the host's own `WebSocket`. */
import { type Coroutine, fromPromise, type Operation, operation, UsageError } from "@anyloop/core";
import type { ConnectWebSocketOptions } from "./connect-framed.ts";
import { connectHost } from "./connect-host.ts";
import { checkOptions } from "./options.ts";
import type { WebSocketStream } from "./web-socket-stream.ts";

/** Bun's `ws` is a shim over its own WebSocket, without the parts that are used here. */
function hasFrames(): boolean {
  return "process" in globalThis && "node" in process.versions && !("Bun" in globalThis);
}

/**
 * Opens a websocket. `url` is one of `ws:`, `wss:`, `http:` or `https:`. To bound the time it takes, put it into
 * `failAfter`. In browsers and on Bun it stands on the host's own `WebSocket`, which takes no `headers`, no ping, no `tls`
 * and no `socket`, decides on compression by itself, and reads on though nobody receives.
 *
 * @throws WebSocketHandshakeError if there is no server, or it does not want to; UsageError for a bad url or options.
 */
export const connectWebSocket: (
  url: string | URL,
  options?: ConnectWebSocketOptions,
) => Operation<WebSocketStream> = operation(function* connectWebSocket(
  url: string | URL,
  options: ConnectWebSocketOptions = {},
): Coroutine<WebSocketStream> {
  const target = checkedUrl(url);
  checkOptions(options, options.protocols ?? []);
  if (!hasFrames()) return yield* connectHost(target, options);
  // Not imported at the top: a browser has nothing of what it stands on.
  const { connectFramed } = yield* fromPromise(import("./connect-framed.ts"));
  return yield* connectFramed(target, options);
});

function checkedUrl(url: string | URL): URL {
  if (!URL.canParse(url))
    throw new UsageError(`${String(url)} is no URL. Give one such as wss://example.com/chat.`);
  const target = new URL(url);
  target.protocol = target.protocol.replace(/^http/, "ws");
  if (target.protocol !== "ws:" && target.protocol !== "wss:") {
    throw new UsageError(
      `${target.href} is no address of a websocket. It begins with ws:, wss:, http: or https:.`,
    );
  }
  target.hash = "";
  return target;
}
