/** What is told of each request once it is over. */
import type { ServerRequest } from "./request.ts";

export interface AccessEntry {
  readonly request: ServerRequest;
  /** What was answered; 499 if the client had gone before, as nginx has it. */
  readonly status: number;
  /** Bytes of the body that were handed to the connection. */
  readonly bytes: number;
  /** Milliseconds from the request's head to the end of the response. */
  readonly duration: number;
}

/** Called once for each request, in the order in which they end. It must be quick: the next request of the connection waits. */
export type AccessLog = (entry: AccessEntry) => void;

/** Control characters would let a client write lines of its own. */
const quoted = (text: string): string =>
  text.replace(/[^ !#-[\]-~]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);

/**
 * An entry in the common log format and its duration: `127.0.0.1 - - [2026-01-31T12:00:00.000Z] "GET / HTTP/1.1" 200 5 1.2ms`.
 * For `serve(app, { accessLog: (entry) => console.log(accessLine(entry)) })`.
 */
export function accessLine({ request, status, bytes, duration }: AccessEntry): string {
  const { method, target, raw, remoteAddress = "-" } = request;
  return (
    `${remoteAddress} - - [${new Date().toISOString()}] "${method} ${quoted(target)} HTTP/${raw.httpVersion}" ` +
    `${String(status)} ${String(bytes)} ${duration.toFixed(1)}ms`
  );
}
