/** What undici reports, as what we throw. Its own error is always the cause. */
import { BrokenResourceError, UsageError } from "@anyloop/core";
import { ConnectionFailed, InvalidResponse, RequestTimeout } from "./errors.ts";
import type { Exchange } from "./exchange.ts";

const lost = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);
/** Whether the connection went away. */
export function isLost(error: Error): boolean {
  return lost.has((error as NodeJS.ErrnoException).code ?? "");
}

const invalid = new Set(["UND_ERR_HEADERS_OVERFLOW", "UND_ERR_RES_CONTENT_LENGTH_MISMATCH"]);

/** What it means for the request. `isConnected`: there was a connection when it happened. */
export function explained(exchange: Exchange, error: Error, isConnected: boolean): unknown {
  if (error instanceof RequestTimeout || error instanceof ConnectionFailed) return error;
  const what = `${exchange.method} ${exchange.url}`;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (error.name === "HTTPParserError" || invalid.has(code)) {
    return new InvalidResponse(`The answer to ${what} is not valid HTTP: ${error.message}`, { cause: error });
  }
  if (code === "UND_ERR_INVALID_ARG" || code === "UND_ERR_NOT_SUPPORTED") {
    return new UsageError(`${what} cannot be sent: ${error.message}.`);
  }
  if (!isConnected) return new ConnectionFailed(exchange.request.target.host, error);
  const when = exchange.status === 0 ? "before it was answered" : "in the middle of the answer";
  return new BrokenResourceError(`The connection broke ${when}: ${what} (${error.message})`, {
    cause: error,
  });
}
