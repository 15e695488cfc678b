/**
 * One try to fetch one URL.
 *
 * Invariant: what is wrong with the URL, the server or the disk is an outcome; only what concerns the run itself, such as
 * its cancellation, is thrown.
 */
import {
  BrokenResourceError,
  type Coroutine,
  failAfter,
  operation,
  type Operation,
  TimeoutError,
} from "anyloop";
import {
  type ClientResponse,
  type ClientSession,
  ConnectionFailed,
  DecompressionFailed,
  InvalidResponse,
  RedirectError,
} from "@anyloop/http";
import { SystemError } from "@anyloop/io";
import { ChecksumMismatch, type Part, PartFile, type Target } from "./part-file.ts";

export interface Outcome {
  /** Of the answer; undefined if there was none. */
  readonly status: number | undefined;
  /** Size of the body; undefined if it was not read to its end. */
  readonly bytes: number | undefined;
  /** Of a body that was saved, in hexadecimal. */
  readonly sha256: string | undefined;
  readonly error: string | undefined;
  /** Whether another try may end differently. */
  readonly isTransient: boolean;
}

/** Told how a body comes. */
export interface Transfer {
  /** Bytes that are there, and those of the whole body, if the server said. */
  received(bytes: number, total: number | undefined): void;
  ended(): void;
}

export interface DownloadOptions {
  /** Milliseconds for connecting, redirects and the whole body. */
  readonly timeout: number;
  /** A body of more bytes, counted after decompression, is given up. */
  readonly maxBytes: number;
}

/** @param target where the body is saved; it is only counted if that is undefined. */
export const download: (
  session: ClientSession,
  url: string,
  target: Target | undefined,
  transfer: Transfer | undefined,
  options: DownloadOptions,
) => Operation<Outcome> = operation(function* download(session, url, target, transfer, options) {
  const { timeout, maxBytes } = options;
  const part = target === undefined ? undefined : new PartFile(target, url);
  try {
    return yield* failAfter(timeout, () => receive(session, url, part, transfer, maxBytes));
  } catch (error) {
    if (error instanceof TimeoutError) return failed(`no complete answer within ${timeout} ms`, true);
    return failed(problemOf(error), isTransient(error));
  } finally {
    transfer?.ended();
    yield* part?.close() ?? nothing();
  }
});

function* nothing(): Coroutine<void> {}

function failed(error: string, isTransient: boolean): Outcome {
  return { status: undefined, bytes: undefined, sha256: undefined, error, isTransient };
}

function isTransient(error: unknown): boolean {
  return (
    error instanceof ConnectionFailed ||
    error instanceof BrokenResourceError ||
    error instanceof InvalidResponse
  );
}

const problems = [
  ConnectionFailed,
  BrokenResourceError,
  InvalidResponse,
  RedirectError,
  DecompressionFailed,
  SystemError,
  ChecksumMismatch,
];

/** @throws what is not about the URL. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error && problems.some((kind) => error instanceof kind))) throw error;
  const { cause, message } = error;
  return error instanceof BrokenResourceError && cause instanceof Error ? cause.message.trim() : message;
}

function* receive(
  session: ClientSession,
  url: string,
  file: PartFile | undefined,
  transfer: Transfer | undefined,
  maxBytes: number,
): Coroutine<Outcome> {
  const { response, part } = yield* ask(session, url, file);
  try {
    const { status, ok } = response;
    const sink = ok ? file : undefined;
    let bytes = sink === undefined ? 0 : yield* sink.begin(response, part);
    const total = totalOf(response, bytes);
    const stream = response.stream();
    for (let next = yield* stream.next(); next.done !== true; next = yield* stream.next()) {
      bytes += next.value.length;
      if (bytes > maxBytes) {
        yield* sink?.discard() ?? nothing();
        const error = `the body has more than ${maxBytes} bytes`;
        return { status, bytes: undefined, sha256: undefined, error, isTransient: false };
      }
      if (sink !== undefined) yield* sink.write(next.value);
      transfer?.received(bytes, total);
    }
    const error = ok ? undefined : `the server answered ${status}`;
    const sha256 = sink === undefined ? undefined : yield* sink.finish();
    return { status, bytes, sha256, error, isTransient: status === 408 || status === 429 || status >= 500 };
  } finally {
    yield* response.close();
  }
}

/** Asks for the rest of what is there, or for everything if there is nothing, or it does not fit any more. */
function* ask(
  session: ClientSession,
  url: string,
  file: PartFile | undefined,
): Coroutine<{ readonly response: ClientResponse; readonly part: Part | undefined }> {
  // What is saved is the body itself: the rest of a compressed one could not be added to it.
  const plain = { "accept-encoding": "identity" };
  if (file === undefined) return { response: yield* session.get(url), part: undefined };
  const part = yield* file.found();
  if (part === undefined) return { response: yield* session.get(url, { headers: plain }), part };
  const range = { range: `bytes=${part.bytes}-`, "if-range": part.validator };
  const response = yield* session.get(url, { headers: { ...plain, ...range } });
  if (response.status !== 416) return { response, part };
  yield* response.close();
  yield* file.discard();
  return { response: yield* session.get(url, { headers: plain }), part: undefined };
}

function totalOf({ headers }: ClientResponse, before: number): number | undefined {
  const length = headers.get("content-length");
  return length === undefined || headers.has("content-encoding") ? undefined : before + Number(length);
}
