/** Whole files at once, and what is done to them by name. On `node:fs/promises`. */
import * as fs from "node:fs/promises";
import type { Stats } from "node:fs";
import { type Coroutine, type Operation, operation } from "@anyloop/core";
import { type PathLike, pathOf } from "./path-like.ts";
import { systemCall } from "./system-call.ts";
import { SystemError } from "./system-error.ts";

/** What can be written: text goes out as UTF-8. */
export type FileData = string | Uint8Array;

export interface ReadTextOptions {
  /** A label of `TextDecoder`; "utf-8" if not given. */
  readonly encoding?: string | undefined;
}

/** Reads a whole file. Cancelling stops the reading. @throws SystemError. */
export function readFile(file: PathLike): Operation<Uint8Array> {
  const path = pathOf(file);
  return systemCall(`read ${path}`, path, (signal) => fs.readFile(path, { signal }));
}

const decodeFile = operation(function* readText(file: PathLike, decoder: TextDecoder): Coroutine<string> {
  return decoder.decode(yield* readFile(file));
});

/** Reads a whole file as text. @throws SystemError; TypeError for bytes that are no text; RangeError for the encoding. */
export function readText(file: PathLike, options: ReadTextOptions = {}): Operation<string> {
  return decodeFile(file, new TextDecoder(options.encoding ?? "utf-8", { fatal: true }));
}

/** Makes a file or replaces what is in it. Once begun it is not cut short by a cancellation. @throws SystemError. */
export function writeFile(file: PathLike, data: FileData): Operation<void> {
  const path = pathOf(file);
  return systemCall(`write ${path}`, path, () => fs.writeFile(path, data));
}

/** Writes at the end of a file, which is made if it is not there. @throws SystemError. */
export function appendFile(file: PathLike, data: FileData): Operation<void> {
  const path = pathOf(file);
  return systemCall(`write ${path}`, path, () => fs.appendFile(path, data));
}

interface StatOptions {
  readonly followLinks?: boolean;
}

/** What the system knows about a file; about a symbolic link itself with `{ followLinks: false }`. @throws SystemError. */
export function stat(file: PathLike, options: StatOptions = {}): Operation<Stats> {
  const path = pathOf(file);
  const ask = options.followLinks === false ? fs.lstat : fs.stat;
  return systemCall(`look at ${path}`, path, () => ask(path));
}

const absent: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR"]);

/** The same, or undefined where there is nothing. @throws SystemError. */
export const statIfPresent: (file: PathLike, options?: StatOptions) => Operation<Stats | undefined> =
  operation(function* statIfPresent(file: PathLike, options?: StatOptions): Coroutine<Stats | undefined> {
    try {
      return yield* stat(file, options);
    } catch (error) {
      if (error instanceof SystemError && absent.has(error.code)) return undefined;
      throw error;
    }
  });
