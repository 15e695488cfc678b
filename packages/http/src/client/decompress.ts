/**
 * Bodies that come compressed: gzip, deflate, br and zstd, one inside another if need be.
 *
 * Invariant: no more is decompressed than is asked for, so a small body that would become a huge one is met piece by piece,
 * and the limit on bytes is met first.
 */
import type { Transform } from "node:stream";
import type * as Zlib from "node:zlib";
import {
  type ByteReceiveStream,
  type Coroutine,
  EndOfStream,
  isCancelled,
  type Operation,
  perform,
} from "@anyloop/core";
import { checkpointIfCancelled, ReceiveStreamBase, suspendOnHost } from "@anyloop/core/lowlevel";
import { DecompressionFailed } from "./errors.ts";
import type { HttpHeaders } from "../headers.ts";
import type { BodyReceiveStream } from "./response.ts";

/** Each layer costs memory, and nobody needs more. */
const mostLayers = 3;

interface WithBuiltins {
  process?: { getBuiltinModule?: (name: string) => unknown };
}

const zlib: typeof Zlib | undefined = /* @__PURE__ */ (
  globalThis as WithBuiltins
).process?.getBuiltinModule?.("node:zlib") as typeof Zlib | undefined;

/** What can be decompressed here, as a value of `accept-encoding`; undefined if nothing can. */
export const acceptedCodings: string | undefined = /* @__PURE__ */ acceptable();

function acceptable(): string | undefined {
  if (zlib === undefined) return undefined;
  return `gzip, deflate, br${"createZstdDecompress" in zlib ? ", zstd" : ""}`;
}

/** The codings of a body, in the order in which they were applied. */
export function codingsOf(headers: HttpHeaders): readonly string[] {
  const value = headers.get("content-encoding");
  if (value === undefined || zlib === undefined) return [];
  return value
    .split(",")
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity");
}

/** `isKept`: see `ClientResponse.keptStream`. @throws DecompressionFailed for a coding that is not known here, or too many. */
export function decompressed(
  source: BodyReceiveStream,
  codings: readonly string[],
  isKept: boolean,
): BodyReceiveStream {
  if (codings.length > mostLayers) {
    throw new DecompressionFailed(
      `The body is compressed ${String(codings.length)} times over: ${codings.join(", ")}.`,
    );
  }
  let stream = source;
  for (const coding of codings.toReversed()) stream = new Decompressed(stream, coding, isKept);
  return stream;
}

/** `first`: the beginning of the body. */
function decoderFor(coding: string, first: Uint8Array): Transform {
  const known = zlib as typeof Zlib;
  if (coding === "gzip" || coding === "x-gzip") return known.createGunzip();
  if (coding === "br") return known.createBrotliDecompress();
  // Some servers leave out the wrapping that the standard asks for.
  if (coding === "deflate")
    return ((first[0] ?? 0) & 15) === 8 ? known.createInflate() : known.createInflateRaw();
  if (coding === "zstd" && "createZstdDecompress" in known) return known.createZstdDecompress();
  throw new DecompressionFailed(`The body is compressed as ${coding}, which is not known here.`);
}

class Decompressed extends ReceiveStreamBase<Uint8Array> implements ByteReceiveStream {
  private readonly source: ByteReceiveStream;
  private readonly coding: string;
  private readonly isKept: boolean;
  private decoder: Transform | undefined = undefined;
  private error: Error | undefined = undefined;
  private hasEnded = false;
  private isWriting = false;
  private isFed = false;
  private watcher: (() => void) | undefined = undefined;

  constructor(source: ByteReceiveStream, coding: string, isKept: boolean) {
    super();
    this.source = source;
    this.coding = coding;
    this.isKept = isKept;
  }

  receive(maxBytes = 65_536): Operation<Uint8Array> {
    return perform(this, this.doReceive, maxBytes);
  }

  close(): Operation<void> {
    this.decoder?.destroy();
    return this.source.close();
  }

  private *doReceive(maxBytes: number): Coroutine<Uint8Array> {
    try {
      // What is decompressed already is given without waiting for anything.
      yield* checkpointIfCancelled();
      return yield* this.piece(maxBytes);
    } catch (error) {
      // What waits for the decoder does not wait for the source, which would close by itself when it is cancelled.
      const goesOn = error instanceof EndOfStream || (this.isKept && isCancelled(error));
      if (!goesOn) yield* this.close();
      throw error;
    }
  }

  private *piece(maxBytes: number): Coroutine<Uint8Array> {
    for (;;) {
      const { decoder } = this;
      // Reading what is empty is also what makes the decoder say that it has ended.
      const size = Math.min(maxBytes, decoder?.readableLength ?? 0);
      const piece = decoder?.read(...(size > 0 ? [size] : [])) as Uint8Array | null | undefined;
      if (piece !== null && piece !== undefined) return piece;
      if (this.error !== undefined) throw damaged(this.coding, this.error);
      if (this.hasEnded) throw new EndOfStream();
      if (this.isFed || this.isWriting) yield* this.change();
      else yield* this.feed();
    }
  }

  private *feed(): Coroutine<void> {
    let chunk: Uint8Array;
    try {
      chunk = yield* this.source.receive();
    } catch (error) {
      if (!(error instanceof EndOfStream)) throw error;
      this.isFed = true;
      if (this.decoder === undefined) this.hasEnded = true;
      else this.decoder.end();
      return;
    }
    this.decoder ??= this.open(chunk);
    this.isWriting = true;
    this.decoder.write(chunk, () => {
      this.isWriting = false;
      this.changed();
    });
  }

  private open(first: Uint8Array): Transform {
    return decoderFor(this.coding, first)
      .on("readable", () => this.changed())
      .on("end", () => {
        this.hasEnded = true;
        this.changed();
      })
      .on("error", (error) => {
        this.error = error;
        this.changed();
      });
  }

  private change(): Operation<void> {
    return suspendOnHost((waiter) => {
      this.watcher = () => waiter.resume();
      return () => {
        this.watcher = undefined;
        return true;
      };
    });
  }

  /** Not in the decoder's stack: it may be in the middle of something. */
  private changed(): void {
    if (this.watcher !== undefined) queueMicrotask(() => this.tell());
  }

  private tell(): void {
    const { watcher } = this;
    this.watcher = undefined;
    watcher?.();
  }
}

function damaged(coding: string, cause: Error): DecompressionFailed {
  return new DecompressionFailed(`The body cannot be decompressed (${coding}): ${cause.message}`, { cause });
}
