/** anyloop's reach into the system: files, processes, signals and workers, for Node, Bun and Deno. */
export {
  type AllPiped,
  type Command,
  type ExitStatus,
  openProcess,
  Process,
  type ProcessOptions,
  type StandardStream,
} from "./process.ts";
export { type PathLike } from "./path-like.ts";
export { PipeReceiveStream, PipeSendStream } from "./pipe.ts";
export { CompletedProcess, ProcessFailed, runProcess, type RunProcessOptions } from "./run-process.ts";
export { runMain } from "./run-main.ts";
export { signals } from "./signals.ts";
export { SystemError } from "./system-error.ts";
export { type FileMode, openFile, OpenFile, type SeekOrigin } from "./file.ts";
export { appendFile, type FileData, readFile, readText, type ReadTextOptions, writeFile } from "./files.ts";
export { Path } from "./path.ts";
export {
  tempDirectory,
  tempFile,
  TemporaryDirectory,
  TemporaryFile,
  type TemporaryOptions,
} from "./temporary.ts";
export { type FileChange, watch, type WatchOptions } from "./watch.ts";
