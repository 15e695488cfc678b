/**
 * A path as an object: its parts, and what people do with what is there. From Python's `pathlib`, as anyio has it.
 *
 * Invariant: a path never changes; what has no operation here, the functions that take paths do.
 */
import type { Stats } from "node:fs";
import * as fs from "node:fs/promises";
import * as paths from "node:path";
import { type Coroutine, type Operation, operation, UsageError } from "@anyloop/core";
import { type FileMode, openFile, type OpenFile } from "./file.ts";
import { appendFile, type FileData, readFile, readText, stat, statIfPresent, writeFile } from "./files.ts";
import { type PathLike, pathOf } from "./path-like.ts";
import { systemCall } from "./system-call.ts";
import { SystemError } from "./system-error.ts";

type Kind = "isFile" | "isDirectory" | "isSymbolicLink";

const isKind = operation(function* isKind(path: string, kind: Kind): Coroutine<boolean> {
  const followLinks = kind !== "isSymbolicLink";
  return (yield* statIfPresent(path, { followLinks }))?.[kind]() ?? false;
});

const exists = operation(function* exists(path: string): Coroutine<boolean> {
  return (yield* statIfPresent(path)) !== undefined;
});

const listDirectory = operation(function* entries(directory: Path, recursive: boolean): Coroutine<Path[]> {
  const { path } = directory;
  const names = yield* systemCall(`list ${path}`, path, () => fs.readdir(path, { recursive }));
  return names.sort().map((name) => directory.join(name));
});

const matching = operation(function* glob(directory: Path, pattern: string): Coroutine<Path[]> {
  const below = yield* directory.entries({ recursive: true });
  return below.filter(({ path }) => paths.matchesGlob(paths.relative(directory.path, path), pattern));
});

const touch = operation(function* touch(path: string): Coroutine<void> {
  const time = new Date();
  yield* systemCall(`touch ${path}`, path, async () => {
    const file = await fs.open(path, "a");
    try {
      await file.utimes(time, time);
    } finally {
      await file.close();
    }
  });
});

const createDirectory = operation(function* createDirectory(
  path: string,
  recursive: boolean,
): Coroutine<void> {
  yield* systemCall(`make the directory ${path}`, path, () => fs.mkdir(path, { recursive }));
});

const removeIfPresent = operation(function* removeIfPresent(path: string): Coroutine<boolean> {
  try {
    yield* systemCall(`remove ${path}`, path, () => fs.unlink(path));
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.code === "ENOENT") return false;
    throw error;
  }
});

/** Takes over what a call of the system gives as a path. */
const asPath = operation(function* asPath(work: Operation<string>): Coroutine<Path> {
  return new Path(yield* work);
});

/**
 * ```ts
 * import { Path } from "@anyloop/io";
 *
 * const path = new Path("/home/me", "notes.tar.gz");
 * console.log(path.name, path.stem, path.suffix, path.parent.path); // notes.tar.gz notes.tar .gz /home/me
 * ```
 */
export class Path {
  /** As the system writes it; without anything that cancels out, such as `a/..`. */
  readonly path: string;

  constructor(...parts: readonly [PathLike, ...PathLike[]]) {
    this.path = paths.join(...parts.map(pathOf));
  }

  toString(): string {
    return this.path;
  }

  toJSON(): string {
    return this.path;
  }

  // Its parts.

  /** The last part, with its suffix. */
  get name(): string {
    return paths.basename(this.path);
  }

  /** The last part without its suffix. */
  get stem(): string {
    return paths.parse(this.path).name;
  }

  /** What follows the last dot of the last part, with the dot; empty if there is none. */
  get suffix(): string {
    return paths.extname(this.path);
  }

  /** Where it is in. */
  get parent(): Path {
    return new Path(paths.dirname(this.path));
  }

  get isAbsolute(): boolean {
    return paths.isAbsolute(this.path);
  }

  /** Below this one; what is absolute is taken as relative to it. */
  join(...parts: readonly PathLike[]): Path {
    return new Path(this, ...parts);
  }

  /** Another name in the same place. @throws UsageError for what is no name. */
  withName(name: string): Path {
    if (name === "" || name !== paths.basename(name)) {
      throw new UsageError(`${JSON.stringify(name)} is no name of a file. Give one without directories.`);
    }
    return this.parent.join(name);
  }

  /** Another suffix, which begins with a dot or is empty. @throws UsageError. */
  withSuffix(suffix: string): Path {
    if (suffix !== "" && !suffix.startsWith(".")) {
      throw new UsageError(`The suffix ${JSON.stringify(suffix)} does not begin with a dot.`);
    }
    return this.withName(this.stem + suffix);
  }

  /** How to get here from there. */
  relativeTo(other: PathLike): Path {
    return new Path(paths.relative(pathOf(other), this.path));
  }

  /** From the root on, without looking at what is there. */
  absolute(): Path {
    return new Path(paths.resolve(this.path));
  }

  // What is there. All of these throw SystemError.

  /** From the root on, without symbolic links. */
  resolve(): Operation<Path> {
    return asPath(systemCall(`resolve ${this.path}`, this.path, () => fs.realpath(this.path)));
  }

  exists(): Operation<boolean> {
    return exists(this.path);
  }

  isFile(): Operation<boolean> {
    return isKind(this.path, "isFile");
  }

  isDirectory(): Operation<boolean> {
    return isKind(this.path, "isDirectory");
  }

  /** Whether it is one itself, wherever it leads. */
  isSymbolicLink(): Operation<boolean> {
    return isKind(this.path, "isSymbolicLink");
  }

  /** About a symbolic link itself with `{ followLinks: false }`. */
  stat(options?: { readonly followLinks?: boolean }): Operation<Stats> {
    return stat(this, options);
  }

  /** What is in a directory, in order of name; with `{ recursive: true }` what is in those below as well. */
  entries(options: { readonly recursive?: boolean } = {}): Operation<Path[]> {
    return listDirectory(this, options.recursive === true);
  }

  /** What is below a directory and fits a pattern such as `*.txt` or `**\/*.ts`, in order of name. Looks at all there is. */
  glob(pattern: string): Operation<Path[]> {
    return matching(this, pattern);
  }

  readLink(): Operation<Path> {
    return asPath(systemCall(`read the link ${this.path}`, this.path, () => fs.readlink(this.path)));
  }

  // Its contents.

  open(mode?: FileMode): Operation<OpenFile> {
    return openFile(this, mode);
  }

  read(): Operation<Uint8Array> {
    return readFile(this);
  }

  /** As UTF-8. */
  readText(): Operation<string> {
    return readText(this);
  }

  write(data: FileData): Operation<void> {
    return writeFile(this, data);
  }

  append(data: FileData): Operation<void> {
    return appendFile(this, data);
  }

  // Changes.

  /** Makes an empty file if there is none; otherwise it was changed now. */
  touch(): Operation<void> {
    return touch(this.path);
  }

  /** With `{ recursive: true }` makes what it is in as well, and does nothing if it is there. */
  makeDirectory(options: { readonly recursive?: boolean } = {}): Operation<void> {
    return createDirectory(this.path, options.recursive === true);
  }

  /** Removes a file or a link. */
  remove(): Operation<void> {
    return systemCall(`remove ${this.path}`, this.path, () => fs.unlink(this.path));
  }

  /** Removes a file or a link, and says whether there was one. */
  removeIfPresent(): Operation<boolean> {
    return removeIfPresent(this.path);
  }

  /** Removes a directory that is empty. */
  removeDirectory(): Operation<void> {
    return systemCall(`remove ${this.path}`, this.path, () => fs.rmdir(this.path));
  }

  /** Removes whatever is here, with all that is in it. Does nothing if there is nothing. */
  removeTree(): Operation<void> {
    return systemCall(`remove ${this.path}`, this.path, () =>
      fs.rm(this.path, { recursive: true, force: true }),
    );
  }

  /** Gives it another path, in place of what may be there. */
  rename(target: PathLike): Operation<void> {
    const to = pathOf(target);
    return systemCall(`rename ${this.path} to ${to}`, this.path, () => fs.rename(this.path, to));
  }

  /** Copies a file, in place of what may be there. */
  copy(target: PathLike): Operation<void> {
    const to = pathOf(target);
    return systemCall(`copy ${this.path} to ${to}`, this.path, () => fs.copyFile(this.path, to));
  }

  /** Makes a symbolic link here that leads to `target`. */
  linkTo(target: PathLike): Operation<void> {
    const to = pathOf(target);
    return systemCall(`link ${this.path} to ${to}`, this.path, () => fs.symlink(to, this.path));
  }

  /** Sets who may do what, such as `0o644`. */
  chmod(mode: number): Operation<void> {
    return systemCall(`change the mode of ${this.path}`, this.path, () => fs.chmod(this.path, mode));
  }
}
