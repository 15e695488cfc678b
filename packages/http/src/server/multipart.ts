/**
 * `multipart/form-data`, part by part, as it comes.
 *
 * Invariant: a file is never kept: while a handler does not read its part the connection is not read either. Parsed by
 * busboy, which is told to treat fields as it treats files, so that there is one kind of part, in one order.
 */
import { Busboy, type BusboyFileStream, type BusboyInstance } from "@fastify/busboy";
import {
  type ByteReceiveStream,
  CancelScope,
  type Coroutine,
  EndOfStream,
  type Handler,
  type Operation,
  operation,
  perform,
  Queue,
  type TaskGroup,
  taskGroup,
} from "@anyloop/core";
import { closing, suspend } from "@anyloop/core/lowlevel";
import { HttpError } from "./http-error.ts";
import type { ServerRequest } from "./request.ts";

export interface MultipartOptions {
  /** Bytes that one part may have; without a limit of its own if not given, within that of the body. */
  readonly partSize?: number | undefined;
  /** Parts that a body may have; 1 000 if not given. */
  readonly parts?: number | undefined;
}

/** A field or a file of a form: its bytes as a stream, while its handler runs. */
export class Part implements ByteReceiveStream {
  /** Of the field. */
  readonly name: string;
  /** What the client calls the file, without any directories; undefined for what is no file. Do not store under it. */
  readonly filename: string | undefined;
  readonly type: string;
  private readonly stream: BusboyFileStream;
  private readonly limit: number;
  private broken: HttpError | undefined = undefined;

  /** @internal */
  constructor(
    stream: BusboyFileStream,
    name: string,
    filename: string | undefined,
    type: string,
    limit: number,
  ) {
    this.stream = stream;
    this.name = name;
    this.filename = filename;
    this.type = type;
    this.limit = limit;
    stream.on("error", (error) => (this.broken = malformed(error)));
  }

  /** @throws EndOfStream; HttpError: 413 past the limit, 400 where the body breaks off. */
  receive(maxBytes = 65_536): Operation<Uint8Array> {
    return perform(this, this.doReceive, maxBytes);
  }

  /** The rest of the part. @throws HttpError 413 past the limit. */
  bytes(): Operation<Uint8Array> {
    return perform(this, this.doBytes);
  }

  /** The rest of the part as text in UTF-8. @throws HttpError 413 past the limit. */
  text(): Operation<string> {
    return perform(this, this.doText);
  }

  /** What was not read is skipped. */
  close(): Operation<void> {
    return closing(() => this.skip());
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  /** @internal */
  skip(): void {
    this.stream.resume();
  }

  private *doReceive(maxBytes: number): Coroutine<Uint8Array> {
    const { stream } = this;
    for (;;) {
      const piece = stream.read(Math.min(maxBytes, stream.readableLength || maxBytes)) as Uint8Array | null;
      if (stream.truncated) throw new HttpError(413, `A part is longer than ${String(this.limit)} bytes.`);
      if (piece !== null) return piece;
      if (this.broken !== undefined) throw this.broken;
      if (stream.readableEnded || stream.destroyed) throw new EndOfStream();
      yield* happens(stream, "readable", "end", "error", "close");
    }
  }

  private *doBytes(): Coroutine<Uint8Array> {
    const pieces: Uint8Array[] = [];
    try {
      for (;;) pieces.push(yield* this.doReceive(65_536));
    } catch (error) {
      if (error instanceof EndOfStream) return Buffer.concat(pieces);
      throw error;
    }
  }

  private *doText(): Coroutine<string> {
    return new TextDecoder().decode(yield* this.doBytes());
  }
}

/** Waits for one of several events. */
function happens(stream: NodeJS.EventEmitter, ...events: readonly string[]): Operation<void> {
  return suspend((waiter) => {
    const stop = (): void => {
      for (const event of events) stream.off(event, resume);
    };
    const resume = (): void => {
      stop();
      waiter.resume();
    };
    for (const event of events) stream.on(event, resume);
    return () => {
      stop();
      return true;
    };
  });
}

/** What comes out of the parser: parts, and at last its end or what went wrong. */
type Parsed = { readonly part: Part } | { readonly error: unknown } | { readonly isOver: true };

const readAll: (
  request: ServerRequest<unknown>,
  handler: Handler<[part: Part]>,
  options: MultipartOptions,
) => Operation<void> = operation(function* multipart(
  request: ServerRequest<unknown>,
  handler: Handler<[part: Part]>,
  options: MultipartOptions,
): Coroutine<void> {
  const parsed = new Queue<Parsed>();
  const parser = parserOf(request, options, parsed);
  try {
    yield* taskGroup((group) => handleAll(group, request, handler, parser, parsed));
  } finally {
    parser.destroy();
  }
});

/** Hands each part of a multipart body to the handler. */
export function readMultipart(
  request: ServerRequest<unknown>,
  handler: Handler<[part: Part]>,
  options: MultipartOptions = {},
): Operation<void> {
  return readAll(request, handler, options);
}

function parserOf(
  request: ServerRequest<unknown>,
  { partSize = Infinity, parts = 1_000 }: MultipartOptions,
  parsed: Queue<Parsed>,
): BusboyInstance {
  const type = request.header("content-type") ?? "";
  if (!/^multipart\/form-data\s*;/i.test(type)) throw new HttpError(415, "Send a multipart/form-data body.");
  const fail = (error: unknown): void => parsed.putNowait({ error });
  let parser: BusboyInstance;
  try {
    parser = new Busboy({
      headers: { ...request.headers, "content-type": type },
      isPartAFile: () => true,
      limits: { fileSize: partSize, files: parts, parts },
    });
  } catch (error) {
    throw malformed(error);
  }
  parser.on("file", (name: string | undefined, stream, filename: string | undefined, _encoding, mime) => {
    parsed.putNowait({ part: new Part(stream, name ?? "", filename, mime, partSize) });
  });
  parser.on("partsLimit", () => fail(new HttpError(413, `The body has more than ${String(parts)} parts.`)));
  parser.on("filesLimit", () => fail(new HttpError(413, `The body has more than ${String(parts)} parts.`)));
  parser.on("error", (error) => fail(malformed(error)));
  parser.on("finish", () => parsed.putNowait({ isOver: true }));
  return parser;
}

function malformed(cause: unknown): HttpError {
  return new HttpError(400, "The multipart body is malformed.", { cause });
}

function* handleAll(
  group: TaskGroup,
  request: ServerRequest<unknown>,
  handler: Handler<[part: Part]>,
  parser: BusboyInstance,
  parsed: Queue<Parsed>,
): Coroutine<void> {
  const feeding = group.startSoon(() => feed(request.body, parser));
  for (;;) {
    const next = yield* parsed.get();
    if ("isOver" in next) break;
    if ("error" in next) throw next.error;
    const { part } = next;
    yield* new CancelScope({ name: "part" }).run(() => handler(part) as PromiseLike<unknown>);
    part.skip();
  }
  feeding.cancel("the last part has come");
}

function* feed(body: ByteReceiveStream, parser: BusboyInstance): Coroutine<void> {
  try {
    for (;;) {
      const piece = yield* body.receive();
      if (!parser.write(piece)) yield* happens(parser, "drain", "close", "error");
    }
  } catch (error) {
    if (!(error instanceof EndOfStream)) throw error;
    parser.end();
  }
}
