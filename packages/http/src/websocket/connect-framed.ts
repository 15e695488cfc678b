/**
 * The client's side of a websocket where there are sockets: a `node:http` request that asks for an upgrade.
 *
 * Invariant: once the operation is over by an error or a cancellation, so is the connection.
 */
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import type { Duplex } from "node:stream";
import type { SecureContextOptions, ConnectionOptions } from "node:tls";
import { type Coroutine, type Operation, operation } from "@anyloop/core";
import { suspendOnHost } from "@anyloop/core/lowlevel";
import { FramedCarrier } from "./framed-carrier.ts";
import { acceptKey, agreeOnCompression, newCompression } from "./handshake.ts";
import { WebSocketHandshakeError } from "./handshake-error.ts";
import type { WebSocketOptions } from "./options.ts";
import { WebSocketStream } from "./web-socket-stream.ts";
import { type PerMessageDeflate, wsParts } from "./ws-parts.ts";

export interface ConnectWebSocketOptions extends WebSocketOptions {
  /** The subprotocols that we speak, best first. */
  readonly protocols?: readonly string[] | undefined;
  /** For `wss:`: certificates and such. */
  readonly tls?:
    | (SecureContextOptions & Pick<ConnectionOptions, "rejectUnauthorized" | "servername">)
    | undefined;
  /** A connection to the server, for instance through a proxy; it belongs to the websocket from then on. */
  readonly socket?: Duplex | undefined;
}

interface Upgrade {
  readonly response: IncomingMessage;
  readonly socket: Duplex;
}

/** What `connectWebSocket` does on Node and Deno. */
export const connectFramed: (url: URL, options: ConnectWebSocketOptions) => Operation<WebSocketStream> =
  operation(function* connectFramed(url: URL, options: ConnectWebSocketOptions): Coroutine<WebSocketStream> {
    const { closeTimeout = 10_000, maxMessageBytes } = options;
    const key = process.getBuiltinModule("node:crypto").randomBytes(16).toString("base64");
    const compression = options.compression === true ? newCompression(false, maxMessageBytes) : undefined;
    const { response, socket } = yield* upgrade(url, options, key, compression);
    try {
      const agreement = {
        isServer: false,
        protocol: checkedAnswer(response, key, options.protocols ?? []),
        compression: agreedCompression(response, compression),
      };
      return new WebSocketStream(
        (events) => new FramedCarrier(socket, agreement, options, events),
        closeTimeout,
      );
    } catch (error) {
      socket.destroy();
      throw error;
    }
  });

function upgrade(
  url: URL,
  options: ConnectWebSocketOptions,
  key: string,
  compression: PerMessageDeflate | undefined,
): Operation<Upgrade> {
  return suspendOnHost(function webSocketHandshake(waiter) {
    const request = sendRequest(url, options, key, compression);
    request.on("upgrade", (response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      request.removeAllListeners("error");
      waiter.resume({ response, socket });
    });
    request.on("response", (response) => {
      request.removeAllListeners("error").on("error", () => {});
      request.destroy();
      waiter.fail(refused(url, response));
    });
    request.on("error", (error) => {
      waiter.fail(
        new WebSocketHandshakeError(`Cannot open a websocket to ${url.host}: ${error.message}`, {
          cause: error,
        }),
      );
    });
    return () => {
      request.removeAllListeners().on("error", () => {});
      request.destroy();
      return true;
    };
  });
}

function refused(
  { host }: URL,
  { statusCode: status = 0, headers }: IncomingMessage,
): WebSocketHandshakeError {
  return new WebSocketHandshakeError(
    `${host} answered the request for a websocket with status ${String(status)}. Redirects are not followed.`,
    { status, headers },
  );
}

function sendRequest(
  url: URL,
  { protocols = [], headers = {}, tls, socket }: ConnectWebSocketOptions,
  key: string,
  compression: PerMessageDeflate | undefined,
): ClientRequest {
  const isSecure = url.protocol === "wss:";
  const { request } = isSecure
    ? process.getBuiltinModule("node:https")
    : process.getBuiltinModule("node:http");
  const target = new URL(url);
  target.protocol = isSecure ? "https:" : "http:";
  const options: RequestOptions = {
    ...tls,
    headers: {
      ...(headers as Record<string, string | string[]>),
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": key,
      ...(protocols.length > 0 && { "sec-websocket-protocol": protocols.join(", ") }),
      ...(compression !== undefined && { "sec-websocket-extensions": offerOf(compression) }),
    },
    ...(socket === undefined ? { agent: false } : { createConnection: () => socket }),
  };
  return request(target, options).end();
}

function offerOf(compression: PerMessageDeflate): string {
  return wsParts.extension.format({ [wsParts.PerMessageDeflate.extensionName]: compression.offer() });
}

/** The subprotocol that the server has chosen. @throws WebSocketHandshakeError for an answer that is none. */
function checkedAnswer(
  { headers, statusCode: status }: IncomingMessage,
  key: string,
  ours: readonly string[],
): string {
  const wrong = (what: string): WebSocketHandshakeError =>
    new WebSocketHandshakeError(`The server's answer is no websocket's: ${what}.`, { status, headers });
  if (headers.upgrade?.toLowerCase() !== "websocket") throw wrong("it upgrades to something else");
  if (headers["sec-websocket-accept"] !== acceptKey(key))
    throw wrong("`sec-websocket-accept` does not match");
  const protocol = headers["sec-websocket-protocol"];
  if (protocol !== undefined && !ours.includes(protocol))
    throw wrong("it chose a subprotocol that was not offered");
  return protocol ?? "";
}

function agreedCompression(
  { headers, statusCode: status }: IncomingMessage,
  compression: PerMessageDeflate | undefined,
): PerMessageDeflate | undefined {
  const header = headers["sec-websocket-extensions"];
  if (header === undefined) return undefined;
  try {
    if (compression !== undefined && agreeOnCompression(compression, header) !== undefined)
      return compression;
  } catch (error) {
    throw new WebSocketHandshakeError("The server answered with parameters of compression that cannot be.", {
      status,
      headers,
      cause: error,
    });
  }
  throw new WebSocketHandshakeError(`The server chose an extension that was not offered: ${header}.`, {
    status,
    headers,
  });
}
