/**
 * What is said to a client whose bytes are no request: the parser's errors, in the protocol's words.
 *
 * Invariant: the connection ends with it; where one request ends and the next begins is not known any more.
 */
const statuses: Readonly<Record<string, readonly [status: string, why: string]>> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "The head of the request is too long."],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ["413 Payload Too Large", "The chunk extensions are too long."],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "The request did not come in time."],
};

/** The whole response, for an error of `node:http`'s `clientError` event; undefined where nobody is left to read it. */
export function refusal(error: unknown): string | undefined {
  const { code = "" } = error as { code?: string };
  if (code === "ECONNRESET" || code === "EPIPE") return undefined;
  const [status, why] = statuses[code] ?? ["400 Bad Request", "The request is malformed."];
  return (
    `HTTP/1.1 ${status}\r\ncontent-type: text/plain; charset=utf-8\r\n` +
    `content-length: ${String(why.length + 1)}\r\nconnection: close\r\n\r\n${why}\n`
  );
}
