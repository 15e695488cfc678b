/**
 * A file that is open.
 *
 * Invariant: the position is where the next byte is read or written, and moves only with what was really read or written;
 * an operation on a file that has begun is not cut short, so a cancellation loses no bytes.
 */
import { type FileHandle, open } from "node:fs/promises";
import type { Stats } from "node:fs";
import {
  type ByteReceiveStream,
  type ByteSendStream,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  linesOf,
  type LinesOptions,
  type ObjectReceiveStream,
  type Operation,
  operation,
  perform,
  ResourceGuard,
  shield,
  UsageError,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { checkMaxBytes, defaultMaxBytes } from "./byte-arguments.ts";
import type { FileData } from "./files.ts";
import { type PathLike, pathOf } from "./path-like.ts";
import { systemCall } from "./system-call.ts";

/**
 * How a file is opened, as C's `fopen` has it: `"r"` to read, `"w"` to write it anew, `"a"` to write at its end, each with
 * `"+"` to do both; `"wx"` and `"ax"` only if there is no such file yet.
 */
export type FileMode = "r" | "r+" | "w" | "w+" | "wx" | "wx+" | "a" | "a+" | "ax" | "ax+";

/** From where `seek` counts. */
export type SeekOrigin = "start" | "current" | "end";

/** Made by `openFile`; close it, best with `use`. One task may use it at a time. */
export class OpenFile implements ByteReceiveStream, ByteSendStream {
  readonly path: string;
  /** Node's own object, for what this one does not offer. */
  readonly raw: FileHandle;
  private readonly appends: boolean;
  private readonly isSeekable: boolean;
  private readonly guard = new ResourceGuard("using");
  private offset = 0;
  private isClosed = false;

  /** @internal */
  constructor(path: string, raw: FileHandle, appends: boolean, isSeekable: boolean) {
    this.path = path;
    this.raw = raw;
    this.appends = appends;
    this.isSeekable = isSeekable;
  }

  /** Where the next byte is read or written, in bytes from the start. A file that appends writes at its end all the same. */
  get position(): number {
    return this.offset;
  }

  /** The next bytes, at most `maxBytes` (default 65 536); none at the end of the file. @throws SystemError, UsageError. */
  read(maxBytes: number = defaultMaxBytes): Operation<Uint8Array> {
    checkMaxBytes(maxBytes);
    return this.alone(this.doRead, maxBytes);
  }

  /** Writes all of it; text as UTF-8. @throws SystemError. */
  write(data: FileData): Operation<void> {
    return this.alone(this.doWrite, typeof data === "string" ? Buffer.from(data) : data);
  }

  /** The next bytes, as a stream: at least one. @throws EndOfStream at the end of the file. */
  receive(maxBytes: number = defaultMaxBytes): Operation<Uint8Array> {
    return perform(this, this.doReceive, maxBytes);
  }

  /** The same as `write`: an open file is a stream of bytes. */
  send(data: Uint8Array): Operation<void> {
    return this.write(data);
  }

  /** The lines from here on, as UTF-8. Closing them closes the file. */
  lines(options?: LinesOptions): ObjectReceiveStream<string> {
    return linesOf(this, options);
  }

  /** Goes to a place and gives it. @throws UsageError before the start; SystemError for what has no places. */
  seek(offset: number, origin: SeekOrigin = "start"): Operation<number> {
    return this.alone(this.doSeek, offset, origin);
  }

  /** Makes the file so many bytes long: it loses what is behind, or grows by zeros. Where we are stays. @throws SystemError. */
  truncate(length: number): Operation<void> {
    return this.alone(this.doTruncate, length);
  }

  /** Waits until the disk has what was written. @throws SystemError. */
  sync(): Operation<void> {
    return this.alone(this.doSync);
  }

  /** @throws SystemError. */
  stat(): Operation<Stats> {
    return this.alone(this.doStat);
  }

  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private alone<A extends readonly unknown[], T>(
    body: (this: this, ...args: A) => Coroutine<T>,
    ...args: A
  ): Operation<T> {
    return perform<this, [typeof body, A], T>(this, this.doAlone, body, args);
  }

  private *doAlone<A extends readonly unknown[], T>(
    body: (this: this, ...args: A) => Coroutine<T>,
    args: A,
  ): Coroutine<T> {
    if (this.isClosed) throw new ClosedResourceError();
    const busy = this.guard.enter();
    try {
      return yield* Reflect.apply<this, A, Coroutine<T>>(body, this, args);
    } finally {
      busy[Symbol.dispose]();
    }
  }

  private *doRead(maxBytes: number): Coroutine<Uint8Array> {
    const { raw, path } = this;
    const buffer = new Uint8Array(maxBytes);
    const { bytesRead } = yield* systemCall(`read ${path}`, path, () =>
      raw.read(buffer, 0, maxBytes, this.isSeekable ? this.offset : null),
    );
    this.offset += bytesRead;
    return buffer.subarray(0, bytesRead);
  }

  private *doReceive(maxBytes: number): Coroutine<Uint8Array> {
    const bytes = yield* this.read(maxBytes);
    if (bytes.length === 0) throw new EndOfStream();
    return bytes;
  }

  private *doWrite(data: Uint8Array): Coroutine<void> {
    yield* checkpointIfCancelled();
    // All of it, as the system takes it: a part that was written could not be taken back.
    yield* shield(perform(this, this.writeAll, data));
  }

  private *writeAll(data: Uint8Array): Coroutine<void> {
    const { raw, path } = this;
    for (let written = 0; written < data.length;) {
      const at = this.isSeekable && !this.appends ? this.offset : null;
      const { bytesWritten } = yield* systemCall(`write ${path}`, path, () =>
        raw.write(data, written, data.length - written, at),
      );
      written += bytesWritten;
      this.offset += bytesWritten;
    }
  }

  private *doSeek(offset: number, origin: SeekOrigin): Coroutine<number> {
    yield* checkpointIfCancelled();
    if (!this.isSeekable) throw new UsageError(`${this.path} cannot be positioned: it is no ordinary file.`);
    const { size } = origin === "end" ? yield* this.doStat() : { size: 0 };
    const target = offset + { start: 0, current: this.offset, end: size }[origin];
    if (!Number.isSafeInteger(target) || target < 0) {
      throw new UsageError(`Position ${String(target)} is before the start of the file, or no whole number.`);
    }
    this.offset = target;
    return target;
  }

  private *doTruncate(length: number): Coroutine<void> {
    if (!Number.isSafeInteger(length) || length < 0)
      throw new UsageError(`The length is ${String(length)}. Give a whole number of bytes, 0 or more.`);
    yield* systemCall(`truncate ${this.path}`, this.path, () => this.raw.truncate(length));
  }

  private *doSync(): Coroutine<void> {
    yield* systemCall(`sync ${this.path}`, this.path, () => this.raw.sync());
  }

  private *doStat(): Coroutine<Stats> {
    return yield* systemCall(`look at ${this.path}`, this.path, () => this.raw.stat());
  }

  private *doClose(): Coroutine<void> {
    if (!this.isClosed) {
      this.isClosed = true;
      yield* shield(systemCall(`close ${this.path}`, this.path, () => this.raw.close()));
    }
    yield* checkpointIfCancelled();
  }
}

async function openHandle(path: string, mode: FileMode): Promise<OpenFile> {
  const handle = await open(path, mode);
  try {
    return new OpenFile(path, handle, mode.startsWith("a"), (await handle.stat()).isFile());
  } catch (error) {
    await handle.close();
    throw error;
  }
}

const performOpen = operation(function* openFile(path: string, mode: FileMode): Coroutine<OpenFile> {
  return yield* systemCall(`open ${path}`, path, () => openHandle(path, mode));
});

/**
 * Opens a file, to read it if `mode` is not given.
 *
 * ```ts
 * import { openFile, tempDirectory } from "@anyloop/io";
 *
 * await run(use(tempDirectory(), (directory) =>
 *   use(openFile(directory.join("notes.txt"), "w+"), function* (file) {
 *     yield* file.write("one\ntwo\n");
 *     yield* file.seek(0);
 *     yield* forEach(file.lines(), function* (line) {
 *       if (line === "two") console.log(line, file.position); // two 8
 *     });
 *   }),
 * ));
 * ```
 *
 * @throws SystemError.
 */
export function openFile(file: PathLike, mode: FileMode = "r"): Operation<OpenFile> {
  return performOpen(pathOf(file), mode);
}
