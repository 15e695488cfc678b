/**
 * The server's side of a websocket: answers the request that asked for it, over the socket that it came on.
 *
 * Invariant: the socket is handed to the stream that is given back, or answered with an error and ended, or, where the
 * caller was wrong or cancelled, left as it was.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type Duplex, finished } from "node:stream";
import { type Coroutine, type Operation, operation, UsageError } from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { FramedCarrier } from "./framed-carrier.ts";
import { acceptKey, agreeOnCompression, newCompression } from "./handshake.ts";
import { WebSocketHandshakeError } from "./handshake-error.ts";
import { checkOptions, type WebSocketOptions } from "./options.ts";
import { WebSocketStream } from "./web-socket-stream.ts";
import { type PerMessageDeflate, wsParts } from "./ws-parts.ts";

export interface AcceptWebSocketOptions extends WebSocketOptions {
  /** The subprotocols that the server speaks, best first. The first that the client speaks as well is agreed on. */
  readonly protocols?: readonly string[] | undefined;
}

/** Why a request cannot become a websocket. */
class Refusal {
  readonly status: 400 | 405 | 426;
  readonly message: string;

  constructor(status: 400 | 405 | 426, message: string) {
    this.status = status;
    this.message = message;
  }
}

const statusTexts = { 400: "Bad Request", 405: "Method Not Allowed", 426: "Upgrade Required" } as const;

/**
 * Accepts a websocket. `request`, `socket` and `head` are what the `upgrade` event of a `node:http` server gives; the
 * socket may be any duplex stream. Who may connect is for the caller to judge first: a browser sends the `origin` header,
 * and cookies, for any page that asks.
 *
 * @throws WebSocketHandshakeError for a request that asks for no websocket, or wrongly: it was answered, and the socket
 * ended. UsageError for bad options, and on Bun.
 */
export const acceptWebSocket: (
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
  options?: AcceptWebSocketOptions,
) => Operation<WebSocketStream> = operation(function* acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
  options: AcceptWebSocketOptions = {},
): Coroutine<WebSocketStream> {
  yield* checkpointIfCancelled();
  const { protocols = [], closeTimeout = 10_000 } = options;
  checkOptions(options, protocols);
  if ("Bun" in globalThis) {
    throw new UsageError(
      "Bun's `ws` has no parts to accept a websocket with. Serve websockets on Node or Deno.",
    );
  }
  const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  let protocol = "";
  let compression: PerMessageDeflate | undefined;
  try {
    lines.push(`Sec-WebSocket-Accept: ${acceptKey(keyOf(request))}`);
    protocol = chosenProtocol(request, protocols);
    if (protocol !== "") lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
    if (options.compression === true) {
      compression = newCompression(true, options.maxMessageBytes);
      const answer = answeredExtensions(request, compression);
      if (answer === undefined) compression = undefined;
      else lines.push(`Sec-WebSocket-Extensions: ${answer}`);
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    refuse(socket, error);
    throw new WebSocketHandshakeError(`The request was refused: ${error.message}`, { status: error.status });
  }
  lines.push(...headerLines(options.headers));
  prepare(socket);
  if (head.length > 0) socket.unshift(head);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  const agreement = { isServer: true, protocol, compression };
  return new WebSocketStream((events) => new FramedCarrier(socket, agreement, options, events), closeTimeout);
});

function keyOf({ method, headers }: IncomingMessage): string {
  if (method !== "GET") throw new Refusal(405, "the method of a websocket's handshake is GET.");
  if (headers.upgrade?.toLowerCase() !== "websocket") {
    throw new Refusal(426, "this is for websockets only; the header `upgrade: websocket` is missing.");
  }
  if (headers["sec-websocket-version"] !== "13") {
    throw new Refusal(426, "the version of the websocket protocol is to be 13.");
  }
  const key = headers["sec-websocket-key"];
  if (key === undefined || !/^[+/0-9A-Za-z]{22}==$/.test(key)) {
    throw new Refusal(400, "the header `sec-websocket-key` is missing or malformed.");
  }
  return key;
}

function chosenProtocol({ headers }: IncomingMessage, ours: readonly string[]): string {
  const header = headers["sec-websocket-protocol"];
  if (header === undefined) return "";
  let theirs: ReadonlySet<string>;
  try {
    theirs = wsParts.subprotocol.parse(header);
  } catch {
    throw new Refusal(400, "the header `sec-websocket-protocol` is malformed.");
  }
  return ours.find((protocol) => theirs.has(protocol)) ?? "";
}

function answeredExtensions(
  { headers }: IncomingMessage,
  compression: PerMessageDeflate,
): string | undefined {
  try {
    return agreeOnCompression(compression, headers["sec-websocket-extensions"] ?? "");
  } catch {
    throw new Refusal(400, "the header `sec-websocket-extensions` is malformed or asks for what cannot be.");
  }
}

function headerLines(headers: WebSocketOptions["headers"] = {}): string[] {
  const lines: string[] = [];
  for (const [name, values] of Object.entries(headers)) {
    for (const value of typeof values === "string" ? [values] : values) {
      if (/[^\t\x20-\x7e\x80-\xff]/.test(value) || !/^[\w!#$%&'*+.^`|~-]+$/.test(name)) {
        throw new UsageError(`The header ${JSON.stringify(name)} has characters that no header may have.`);
      }
      lines.push(`${name}: ${value}`);
    }
  }
  return lines;
}

/** A server times out idle connections, and gathers small packets; a websocket is to be idle, and quick. */
function prepare(socket: Duplex & Partial<Pick<Socket, "setNoDelay" | "setTimeout">>): void {
  socket.setTimeout?.(0);
  socket.setNoDelay?.(true);
}

function refuse(socket: Duplex, { status, message }: Refusal): void {
  const body = `The request was refused: ${message}\n`;
  finished(socket, () => socket.destroy());
  socket.end(
    [
      `HTTP/1.1 ${String(status)} ${statusTexts[status]}`,
      "Connection: close",
      "Content-Type: text/plain; charset=utf-8",
      `Content-Length: ${String(Buffer.byteLength(body))}`,
      "Sec-WebSocket-Version: 13",
      "",
      body,
    ].join("\r\n"),
  );
}
