/**
 * Files and directories that are gone afterwards.
 *
 * Invariant: what was made here is removed when it is closed, cancelled or not, and what was not closed is removed when
 * the process exits, by whichever way leaves JavaScript the time for it.
 */
import { rmSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as paths from "node:path";
import { randomUUID } from "node:crypto";
import {
  type AsyncCloseable,
  type Coroutine,
  type Operation,
  operation,
  perform,
  shield,
  UsageError,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { OpenFile } from "./file.ts";
import { Path } from "./path.ts";
import { type PathLike, pathOf } from "./path-like.ts";
import { asSystemError, systemCall } from "./system-call.ts";

export interface TemporaryOptions {
  /** What its name begins with; "anyloop-" if not given. */
  readonly prefix?: string | undefined;
  /** Where it is made; the system's place for such things if not given. */
  readonly parent?: PathLike | undefined;
}

export interface TemporaryFileOptions extends TemporaryOptions {
  /** What its name ends with, such as ".json"; nothing if not given. */
  readonly suffix?: string | undefined;
}

const leftOver = new Set<string>();

function removeLeftOver(): void {
  for (const path of leftOver) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch (error) {
      // The others go all the same.
      console.error(asSystemError(error, `remove ${path}`, path));
    }
  }
}

/** From now on this is ours to remove. */
function adopt(path: string): void {
  if (leftOver.size === 0) process.on("exit", removeLeftOver);
  leftOver.add(path);
}

async function removeAdopted(path: string): Promise<void> {
  // Removed before: what is there now is somebody else's.
  if (!leftOver.has(path)) return;
  await rm(path, { recursive: true, force: true });
  leftOver.delete(path);
  if (leftOver.size === 0) process.off("exit", removeLeftOver);
}

const removal = (path: string): Operation<void> =>
  shield(systemCall(`remove ${path}`, path, () => removeAdopted(path)));

/** A directory that is removed, with all that is in it, when it is closed. */
export class TemporaryDirectory extends Path implements AsyncCloseable {
  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doClose(): Coroutine<void> {
    yield* removal(this.path);
    yield* checkpointIfCancelled();
  }
}

/** An open file, to write and read, that is removed when it is closed. */
export class TemporaryFile extends OpenFile {
  override close(): Operation<void> {
    return perform(this, this.doCloseAndRemove);
  }

  private *doCloseAndRemove(): Coroutine<void> {
    try {
      yield* super.close();
    } finally {
      yield* removal(this.path);
    }
  }
}

function checkName(what: string, part: string): void {
  if (part === paths.basename(part)) return;
  throw new UsageError(
    `The ${what} ${JSON.stringify(part)} names a directory. Give that as \`parent\`, and a name without directories.`,
  );
}

function placeOf({ prefix = "anyloop-", parent = tmpdir() }: TemporaryOptions): string {
  checkName("prefix", prefix);
  // Absolute: it is found again whatever becomes of the working directory.
  return paths.resolve(pathOf(parent)) + paths.sep + prefix;
}

const makeDirectory = operation(function* tempDirectory(
  options: TemporaryOptions,
): Coroutine<TemporaryDirectory> {
  const place = placeOf(options);
  return yield* systemCall("make a temporary directory", place, async () => {
    const path = await mkdtemp(place);
    adopt(path);
    return new TemporaryDirectory(path);
  });
});

const makeFile = operation(function* tempFile(options: TemporaryFileOptions): Coroutine<TemporaryFile> {
  const { suffix = "" } = options;
  checkName("suffix", suffix);
  const path = `${placeOf(options)}${randomUUID()}${suffix}`;
  return yield* systemCall("make a temporary file", path, async () => {
    const handle = await open(path, "wx+", 0o600);
    adopt(path);
    return new TemporaryFile(path, handle, false, true);
  });
});

/**
 * Makes a directory that is removed when it is closed; best with `use`.
 *
 * ```ts
 * import { tempDirectory } from "@anyloop/io";
 *
 * const directory = await run(use(tempDirectory(), function* (directory) {
 *   yield* directory.join("notes.txt").write("hello");
 *   return directory;
 * }));
 * console.log(await directory.exists()); // false
 * ```
 *
 * @throws SystemError.
 */
export function tempDirectory(options: TemporaryOptions = {}): Operation<TemporaryDirectory> {
  return makeDirectory(options);
}

/** Makes a file, open to write and read, that is removed when it is closed; best with `use`. @throws SystemError. */
export function tempFile(options: TemporaryFileOptions = {}): Operation<TemporaryFile> {
  return makeFile(options);
}
