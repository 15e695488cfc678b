/**
 * A file on its way: `NAME.part` holds what has come so far, and `NAME.part.json` what it is a part of.
 *
 * Invariant: NAME is there only when all of it is, with the checksum that was asked for. A part is gone on with only if
 * the server says that it is still the same body; else it is begun anew.
 */
import { createHash, type Hash } from "node:crypto";
import { type Coroutine, EndOfStream, operation, type Operation, perform, shield, use } from "anyloop";
import type { ClientResponse } from "@anyloop/http";
import { openFile, type OpenFile, Path, readText, writeFile } from "@anyloop/io";

/** Where a body is to be saved. */
export interface Target {
  readonly path: string;
  /** Hexadecimal; undefined if it is not known. */
  readonly sha256: string | undefined;
}

/** What of a body is there already. */
export interface Part {
  readonly bytes: number;
  /** Changes when the body does: the server's ETag, or when it was last modified. */
  readonly validator: string;
}

interface Note {
  readonly url: string;
  readonly validator: string;
}

export class ChecksumMismatch extends Error {
  override readonly name = "ChecksumMismatch";
}

export class PartFile {
  readonly target: Target;
  private readonly url: string;
  private readonly part: Path;
  private readonly note: Path;
  private file: OpenFile | undefined = undefined;
  private hash: Hash = createHash("sha256");

  constructor(target: Target, url: string) {
    this.target = target;
    this.url = url;
    this.part = new Path(`${target.path}.part`);
    this.note = new Path(`${target.path}.part.json`);
  }

  /** What an earlier try has left, if it can be gone on with. */
  found(): Operation<Part | undefined> {
    return perform(this, this.doFind);
  }

  /** Opens the file for what the response brings: the rest, or everything. Gives the bytes that are there already. */
  begin(response: ClientResponse, part: Part | undefined): Operation<number> {
    return perform(this, this.doBegin, response, part);
  }

  write(bytes: Uint8Array): Operation<void> {
    return perform(this, this.doWrite, bytes);
  }

  /** All has come: puts the file in its place, and gives its checksum. @throws ChecksumMismatch; the part is gone then. */
  finish(): Operation<string> {
    return perform(this, this.doFinish);
  }

  /** Forgets the part. */
  discard(): Operation<void> {
    return perform(this, this.doDiscard);
  }

  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  private *doFind(): Coroutine<Part | undefined> {
    if (!((yield* this.part.exists()) && (yield* this.note.exists()))) return undefined;
    const { size: bytes } = yield* this.part.stat();
    const { url, validator } = parse(yield* readText(this.note));
    return bytes > 0 && url === this.url && validator !== "" ? { bytes, validator } : undefined;
  }

  private *doBegin(response: ClientResponse, part: Part | undefined): Coroutine<number> {
    this.hash = createHash("sha256");
    if (part !== undefined && startOf(response) === part.bytes) {
      yield* use(openFile(this.part), (file) => hashAll(file, this.hash));
      this.file = yield* openFile(this.part, "a");
      return part.bytes;
    }
    this.file = yield* openFile(this.part, "w");
    const note: Note = { url: this.url, validator: validatorOf(response) };
    yield* writeFile(this.note, JSON.stringify(note));
    return 0;
  }

  private *doWrite(bytes: Uint8Array): Coroutine<void> {
    yield* (this.file as OpenFile).write(bytes);
    this.hash.update(bytes);
  }

  private *doFinish(): Coroutine<string> {
    const sha256 = this.hash.digest("hex");
    yield* this.doClose();
    const { path, sha256: expected = sha256 } = this.target;
    if (sha256 !== expected) {
      yield* this.doDiscard();
      throw new ChecksumMismatch(`its SHA-256 is ${sha256}, not ${expected}: it was not saved`);
    }
    yield* this.part.rename(path);
    yield* this.note.remove();
    return sha256;
  }

  private *doDiscard(): Coroutine<void> {
    yield* this.doClose();
    yield* this.part.removeIfPresent();
    yield* this.note.removeIfPresent();
  }

  private *doClose(): Coroutine<void> {
    const { file } = this;
    this.file = undefined;
    if (file !== undefined) yield* shield(file.close());
  }
}

const hashAll = operation(function* hashAll(file: OpenFile, hash: Hash): Coroutine<void> {
  try {
    for (;;) hash.update(yield* file.receive());
  } catch (error) {
    if (!(error instanceof EndOfStream)) throw error;
  }
});

function parse(text: string): Note {
  try {
    return JSON.parse(text) as Note;
  } catch {
    return { url: "", validator: "" };
  }
}

/** Empty if the body cannot be told from another, or was sent in another form than it is saved in. */
function validatorOf({ headers }: ClientResponse): string {
  if (headers.has("content-encoding")) return "";
  const tag = headers.get("etag") ?? "";
  return tag === "" || tag.startsWith("W/") ? (headers.get("last-modified") ?? "") : tag;
}

/** Which byte the response begins with. */
function startOf({ status, headers }: ClientResponse): number {
  if (status !== 206) return 0;
  return Number(/^bytes (\d+)-/.exec(headers.get("content-range") ?? "")?.[1] ?? -1);
}
