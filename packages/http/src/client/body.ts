/** What a request can carry, and how it is put into bytes. */
import { type ByteReceiveStream, type Receiver, UsageError } from "@anyloop/core";
import type { QueryInit } from "./target.ts";
import type { WireBody } from "./transport.ts";

/** A stream of ours, which a task reads while the request is sent. */
export type BodyStream = ByteReceiveStream | Receiver<Uint8Array>;

/**
 * A stream of anyloop or an async iterable (a Node or web stream) is sent as it comes, held up when the server is slow;
 * it can be sent once only: not again by a redirect or a retry.
 */
export type BodyInit =
  | string
  | Uint8Array
  | ArrayBuffer
  | Blob
  | URLSearchParams
  | FormData
  | BodyStream
  | AsyncIterable<Uint8Array>;

/** At most one of these. */
export interface BodyOptions {
  readonly body?: BodyInit | undefined;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as a form of a web page, `application/x-www-form-urlencoded`. */
  readonly form?: QueryInit | undefined;
  /** Sent as `multipart/form-data`, each blob as a file. */
  readonly multipart?: FormData | Readonly<Record<string, string | Blob>> | undefined;
}

export interface EncodedBody {
  readonly content: WireBody | BodyStream;
  /** Its media type, if the body says so itself. */
  readonly type: string | undefined;
}

const nothing: EncodedBody = { content: undefined, type: undefined };
const formType = "application/x-www-form-urlencoded;charset=UTF-8";

/** @throws UsageError for more than one body, or one of a kind that cannot be sent. */
export function encodeBody(options: BodyOptions): EncodedBody {
  const { body, json, form, multipart } = options;
  const given = Number(body !== undefined) + Number(json !== undefined) + Number(form !== undefined);
  if (given + Number(multipart !== undefined) > 1) {
    throw new UsageError("A request has one body: give one of body, json, form and multipart.");
  }
  if (json !== undefined) return { content: jsonText(json), type: "application/json" };
  if (form !== undefined) return { content: formText(form), type: formType };
  if (multipart !== undefined) return multipartBody(multipart);
  return body === undefined ? nothing : encodeContent(body);
}

function encodeContent(body: BodyInit): EncodedBody {
  if (typeof body === "string") return { content: body, type: "text/plain;charset=UTF-8" };
  if (body instanceof Uint8Array) return { content: body as Uint8Array<ArrayBuffer>, type: undefined };
  if (body instanceof ArrayBuffer) return { content: new Uint8Array(body), type: undefined };
  if (body instanceof URLSearchParams) return { content: body.toString(), type: formType };
  if (body instanceof FormData) return multipartBody(body);
  if (body instanceof Blob) return { content: body, type: body.type === "" ? undefined : body.type };
  if (isBodyStream(body) || Symbol.asyncIterator in Object(body)) return { content: body, type: undefined };
  throw new UsageError(
    "A body is text, bytes, a Blob, a form or a stream. For other values use json: value.",
  );
}

export function isBodyStream(content: unknown): content is BodyStream {
  return typeof content === "object" && content !== null && "receive" in content;
}

/** Whether it can be sent a second time. */
export function isReplayable(content: WireBody | BodyStream): boolean {
  return !isBodyStream(content) && !(typeof content === "object" && Symbol.asyncIterator in content);
}

function jsonText(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new UsageError("json: a function, a symbol or undefined is no JSON.");
  return text;
}

function formText(form: QueryInit): string {
  if (form instanceof URLSearchParams) return form.toString();
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(form)) {
    if (value === undefined) continue;
    for (const each of Array.isArray(value) ? (value as readonly unknown[]) : [value])
      pairs.append(name, String(each));
  }
  return pairs.toString();
}

/** RFC 7578. A Blob of blobs knows its length and reads files only when they are sent. */
function multipartBody(parts: FormData | Readonly<Record<string, string | Blob>>): EncodedBody {
  const boundary = `anyloop-${globalThis.crypto.randomUUID()}`;
  const pieces: (string | Blob)[] = [];
  const entries = parts instanceof FormData ? [...parts] : Object.entries(parts);
  for (const [name, value] of entries) {
    const head = `--${boundary}\r\ncontent-disposition: form-data; name="${quoted(name)}"`;
    if (typeof value === "string") {
      pieces.push(`${head}\r\n\r\n${value}\r\n`);
      continue;
    }
    const { name: file } = value as Blob & { name?: string };
    const type = value.type === "" ? "application/octet-stream" : value.type;
    pieces.push(
      `${head}; filename="${quoted(file ?? "blob")}"\r\ncontent-type: ${type}\r\n\r\n`,
      value,
      "\r\n",
    );
  }
  pieces.push(`--${boundary}--\r\n`);
  return { content: new Blob(pieces), type: `multipart/form-data; boundary=${boundary}` };
}

/** As browsers do it: a name must not end its line, or the quotes. */
function quoted(name: string): string {
  return name.replaceAll("\n", "%0A").replaceAll("\r", "%0D").replaceAll('"', "%22");
}
