/**
 * Files of a directory.
 *
 * Invariant: nothing outside the directory is ever served, by whatever way a path leads out of it: dots, encoded dots,
 * backslashes, links. What is sent is what its ETag says: a file is looked at and read through one open handle.
 */
import { realpathSync, statSync, type Stats } from "node:fs";
import { realpath } from "node:fs/promises";
import path from "node:path";
import {
  type ByteReceiveStream,
  type Coroutine,
  EndOfStream,
  fromPromise,
  isCancelled,
  type Operation,
  perform,
  shield,
  UsageError,
} from "@anyloop/core";
import { openFile, type OpenFile } from "@anyloop/io";
import { lookup } from "mrmime";
import { type ByteRange, byteRangeOf } from "./byte-range.ts";
import { HttpError } from "./http-error.ts";
import type { ServerRequest } from "./request.ts";
import { ServerResponse } from "./response.ts";

export interface StaticFilesOptions {
  /** What is served where a directory is asked for; "index.html" if not given, nothing if false. */
  readonly index?: string | false | undefined;
  /** The `Cache-Control` of what is served; "public, max-age=0" if not given: ask each time, and take a 304. */
  readonly cacheControl?: string | undefined;
  /** Whether `file.js.br`, `.zst` or `.gz` is sent in place of `file.js` to who takes it; true if not given. */
  readonly precompressed?: boolean | undefined;
}

/** Best first: the name in `Accept-Encoding`, and how the files end. */
const codings = [
  ["br", ".br"],
  ["zstd", ".zst"],
  ["gzip", ".gz"],
] as const;
/** Up to this size a file is sent in one piece. */
const small = 65_536;

/** A file that was found, open. */
interface Found {
  readonly file: OpenFile;
  readonly stats: Stats;
  readonly coding: string | undefined;
}

class Directory {
  private readonly root: string;
  private readonly options: StaticFilesOptions;

  constructor(root: string, options: StaticFilesOptions) {
    this.root = root;
    this.options = options;
  }

  *serve(request: ServerRequest<{ readonly "*": string }>): Coroutine<ServerResponse> {
    const { index = "index.html" } = this.options;
    const wanted = this.locate(request.params["*"]);
    const name = request.path.endsWith("/") && index !== false ? path.join(wanted, index) : wanted;
    const found = yield* this.find(name, request.header("accept-encoding") ?? "");
    if (found !== undefined) return yield* this.respond(request, name, found);
    if (index !== false && !request.path.endsWith("/") && (yield* this.exists(path.join(wanted, index)))) {
      return ServerResponse.redirect(`${request.path.replace(/^\/+/, "/")}/`, 301);
    }
    throw new HttpError(404);
  }

  /** @throws HttpError 400 for a path that is none of a file's. */
  private locate(wanted: string): string {
    for (const segment of wanted.split("/")) {
      if (segment === ".." || segment === "." || /[\\\0]/.test(segment)) {
        throw new HttpError(400, "The path has a part that no file may have.");
      }
      // Of files that are hidden nobody has said that they may be seen.
      if (segment.startsWith(".") && segment !== ".well-known") throw new HttpError(404);
    }
    return path.join(this.root, wanted);
  }

  private *find(name: string, accepted: string): Coroutine<Found | undefined> {
    if (this.options.precompressed !== false) {
      for (const [coding, ending] of codings) {
        if (!accepts(accepted, coding)) continue;
        const found = yield* this.open(name + ending, coding);
        if (found !== undefined) return found;
      }
    }
    return yield* this.open(name, undefined);
  }

  private *exists(name: string): Coroutine<boolean> {
    const found = yield* this.open(name, undefined);
    if (found !== undefined) yield* found.file.close();
    return found !== undefined;
  }

  /** Undefined for what is no file, and for what is none of ours. */
  private *open(name: string, coding: string | undefined): Coroutine<Found | undefined> {
    let file: OpenFile;
    try {
      const real = yield* fromPromise(realpath(name));
      if (!real.startsWith(this.root + path.sep)) return undefined;
      file = yield* openFile(real);
    } catch (error) {
      if (isCancelled(error)) throw error;
      return undefined;
    }
    try {
      const stats = yield* file.stat();
      if (stats.isFile()) return { file, stats, coding };
    } catch (error) {
      yield* shield(file.close());
      throw error;
    }
    yield* file.close();
    return undefined;
  }

  private *respond(request: ServerRequest<unknown>, name: string, found: Found): Coroutine<ServerResponse> {
    const { file } = found;
    try {
      const response = yield* this.answer(request, name, found);
      if (!response.isStreamed || request.method === "HEAD") yield* file.close();
      return response;
    } catch (error) {
      yield* shield(file.close());
      throw error;
    }
  }

  private *answer(request: ServerRequest<unknown>, name: string, found: Found): Coroutine<ServerResponse> {
    const { file, stats, coding } = found;
    const etag = `"${stats.size.toString(16)}-${Math.floor(stats.mtimeMs).toString(16)}${coding === undefined ? "" : `-${coding}`}"`;
    const modified = stats.mtime.toUTCString();
    const headers: Record<string, string> = {
      "accept-ranges": "bytes",
      "cache-control": this.options.cacheControl ?? "public, max-age=0",
      "content-type": typeOf(name),
      etag,
      "last-modified": modified,
      ...(coding === undefined ? {} : { "content-encoding": coding }),
      ...(this.options.precompressed === false ? {} : { vary: "accept-encoding" }),
    };
    if (isFresh(request, etag, stats)) return ServerResponse.empty(304, headers);
    const condition = request.header("if-range");
    const isSame = condition === undefined || condition === etag || condition === modified;
    const range = isSame ? byteRangeOf(request.header("range"), stats.size) : undefined;
    if (range === "unsatisfiable") {
      throw new HttpError(416, undefined, { headers: { "content-range": `bytes */${String(stats.size)}` } });
    }
    const { start, end } = range ?? { start: 0, end: stats.size - 1 };
    if (range !== undefined)
      headers["content-range"] = `bytes ${String(start)}-${String(end)}/${String(stats.size)}`;
    headers["content-length"] = String(end - start + 1);
    const init = { status: range === undefined ? 200 : 206, headers };
    if (request.method === "HEAD") return new ServerResponse(undefined, init);
    const part = new FilePart(file, { start, end });
    return new ServerResponse(end - start < small ? yield* part.whole() : part, init);
  }
}

/** A part of a file as a stream; closing it closes the file. */
class FilePart implements ByteReceiveStream {
  private readonly file: OpenFile;
  private readonly range: ByteRange;
  private isPlaced = false;
  private left: number;

  constructor(file: OpenFile, range: ByteRange) {
    this.file = file;
    this.range = range;
    this.left = range.end - range.start + 1;
  }

  receive(maxBytes: number = small): Operation<Uint8Array> {
    return perform(this, this.doReceive, maxBytes);
  }

  close(): Operation<void> {
    return this.file.close();
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  *whole(): Coroutine<Uint8Array> {
    const pieces: Uint8Array[] = [];
    while (this.left > 0) pieces.push(yield* this.doReceive(small));
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
  }

  private *doReceive(maxBytes: number): Coroutine<Uint8Array> {
    if (this.left === 0) throw new EndOfStream();
    if (!this.isPlaced) yield* this.file.seek(this.range.start);
    this.isPlaced = true;
    const bytes = yield* this.file.read(Math.min(maxBytes, this.left));
    // Cut short while we read it: the length we told is wrong now, and the client must learn of it.
    if (bytes.length === 0) throw new Error(`${this.file.path} became shorter while it was sent.`);
    this.left -= bytes.length;
    return bytes;
  }
}

function typeOf(name: string): string {
  const type = lookup(name) ?? "application/octet-stream";
  return /^text\/|javascript|json|xml/.test(type) ? `${type}; charset=utf-8` : type;
}

/** Whether a client takes a coding: named with a weight above 0. */
function accepts(accepted: string, coding: string): boolean {
  for (const item of accepted.toLowerCase().split(",")) {
    const [name = "", ...parameters] = item.split(";").map((part) => part.trim());
    if (name !== coding && name !== "*") continue;
    const weight = parameters.find((parameter) => parameter.startsWith("q="));
    return weight === undefined || Number(weight.slice(2)) > 0;
  }
  return false;
}

/** Whether the client has it already. An ETag says more than a time, which is only asked without one. */
function isFresh(request: ServerRequest<unknown>, etag: string, stats: Stats): boolean {
  const known = request.header("if-none-match");
  if (known !== undefined) {
    return known.split(",").some((item) => item.trim() === "*" || item.trim().replace(/^W\//, "") === etag);
  }
  const since = Date.parse(request.header("if-modified-since") ?? "");
  return Math.floor(stats.mtimeMs / 1_000) * 1_000 <= since;
}

/** A handler for the files of a directory. @throws UsageError if there is none. */
export function staticFiles(
  directory: string,
  options: StaticFilesOptions = {},
): (request: ServerRequest<{ readonly "*": string }>) => Coroutine<ServerResponse> {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new UsageError(`${directory} is no directory. Give one that is there when the server starts.`);
  }
  const files = new Directory(realpathSync(directory), options);
  return function* staticFiles(request) {
    return yield* files.serve(request);
  };
}
