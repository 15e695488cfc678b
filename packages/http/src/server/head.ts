/** The first line and header fields of a response, as text. */
import { STATUS_CODES } from "node:http";
import type { ServerResponse } from "./response.ts";

const statusLines = new Map<number, string>();

function statusLine(status: number): string {
  let line = statusLines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? "Unknown"}\r\n`;
    statusLines.set(status, line);
  }
  return line;
}

let date = "";
let dateIsCurrent = false;

/** The time of a response, to the second: worked out once a second while there are responses. */
function currentDate(): string {
  if (dateIsCurrent) return date;
  dateIsCurrent = true;
  date = new Date().toUTCString();
  setTimeout(() => (dateIsCurrent = false), 1_000 - (Date.now() % 1_000)).unref();
  return date;
}

/** Whether a response of that status never has a body. */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 304 || status < 200;
}

/** Fields that the server writes itself; a response's own would contradict them. */
const ours = new Set(["connection", "keep-alive", "transfer-encoding", "date", "content-length"]);

/**
 * A whole head. `length` is that of the body, undefined where none is told. A response may give the length itself
 * where it has no body to count: to a HEAD request, or with a 304.
 * @throws UsageError for header fields that cannot be sent.
 */
export function headOf(response: ServerResponse, length: number | undefined, connection: string): string {
  let head = statusLine(response.status);
  let type = response.type;
  if (response.hasHeaders) {
    const { headers } = response;
    if (headers.has("content-type")) type = undefined;
    head += headers.lines(ours);
  }
  if (type !== undefined) head += `content-type: ${type}\r\n`;
  if (length !== undefined) head += `content-length: ${String(length)}\r\n`;
  return `${head}date: ${currentDate()}\r\n${connection}\r\n`;
}

/** The same for the runtime to write, which adds what is its own. */
export function fieldsOf(response: ServerResponse): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {};
  for (const [name, value] of response.headers) {
    if (name === "connection" || name === "transfer-encoding" || name === "keep-alive") continue;
    const before = fields[name];
    fields[name] =
      before === undefined ? value : typeof before === "string" ? [before, value] : [...before, value];
  }
  if (response.type !== undefined) fields["content-type"] ??= response.type;
  return fields;
}
