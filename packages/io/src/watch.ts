/**
 * Changes of files, as a stream. On `node:fs`, with what its hosts can tell and cannot.
 *
 * Invariant: a change that was told is received once, or is the same as one that nobody had received yet.
 */
import { type FSWatcher, statSync, watch as watchFile } from "node:fs";
import * as paths from "node:path";
import { type Coroutine, type ObjectReceiveStream, type Operation, operation } from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { Notices } from "./notices.ts";
import { Path } from "./path.ts";
import { type PathLike, pathOf } from "./path-like.ts";
import { asSystemError } from "./system-call.ts";

export interface FileChange {
  /** `"rename"`: a name came or went; `"change"`: what is in it. Systems differ in what they call which: look yourself. */
  readonly kind: "rename" | "change";
  /** What has changed, as far as the system tells: else what is watched. */
  readonly path: Path;
}

export interface WatchOptions {
  /** Whether directories below are watched as well. */
  readonly recursive?: boolean | undefined;
}

class Watcher extends Notices<FileChange> {
  private readonly watcher: FSWatcher;

  constructor(path: string, recursive: boolean) {
    super();
    // The name of a watched file is told as well. Asked first: where there is nothing Deno throws twice.
    const hasNames = statSync(path).isDirectory();
    this.watcher = watchFile(path, { recursive });
    this.watcher.on("change", (kind, name) => {
      const changed = hasNames && name !== null ? paths.join(path, String(name)) : path;
      this.noteChange(kind === "rename" ? kind : "change", changed);
    });
    this.watcher.on("error", (error) => this.fail(asSystemError(error, `watch ${path}`, path)));
  }

  protected *release(): Coroutine<void> {
    this.watcher.close();
  }

  private noteChange(kind: FileChange["kind"], path: string): void {
    this.note(`${kind} ${path}`, { kind, path: new Path(path) });
  }
}

const performWatch = operation(function* watch(
  path: string,
  recursive: boolean,
): Coroutine<ObjectReceiveStream<FileChange>> {
  yield* checkpointIfCancelled();
  try {
    return new Watcher(path, recursive);
  } catch (error) {
    throw asSystemError(error, `watch ${path}`, path);
  }
});

/**
 * Watches a file, or what is in a directory, until it is closed; best with `use`. The same change again, before it was
 * received, is given once.
 *
 * ```ts
 * import { tempDirectory, watch } from "@anyloop/io";
 *
 * await run(use(tempDirectory(), (directory) =>
 *   use(watch(directory), function* (changes) {
 *     yield* directory.join("new.txt").write("hello");
 *     console.log((yield* changes.receive()).path.name); // new.txt
 *   }),
 * ));
 * ```
 *
 * @throws SystemError, for what does not exist as an example. Receiving throws BrokenResourceError if it fails later.
 */
export function watch(
  file: PathLike,
  options: WatchOptions = {},
): Operation<ObjectReceiveStream<FileChange>> {
  return performWatch(pathOf(file), options.recursive === true);
}
