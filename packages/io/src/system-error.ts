/**
 * What the operating system refuses, said in a sentence.
 *
 * Invariant: an error of the system leaves this package as a `SystemError` with the system's own `code` and the original
 * as its `cause`; whatever else was thrown (a cancellation, a misuse) passes untouched.
 */
import { AnyloopError, fromPromise, type Coroutine, type Operation, operation } from "@anyloop/core";

const sentences: Readonly<Record<string, string>> = {
  E2BIG: "the arguments are too long",
  EACCES: "permission denied: check who owns it and its mode",
  EADDRINUSE: "the address is in use: stop who uses it, or take another",
  EBUSY: "it is in use",
  EEXIST: "it exists already",
  EISDIR: "it is a directory",
  ELOOP: "too many symbolic links lead to each other",
  EMFILE: "this process has too many files open: close some, or raise the limit (ulimit -n)",
  ENAMETOOLONG: "the name is too long",
  ENFILE: "the system has too many files open",
  ENOENT: "it does not exist: check the name and where it is looked for",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of the path is not a directory",
  ENOTEMPTY: "the directory is not empty",
  EPERM: "the operation is not permitted",
  EROFS: "the file system is read-only",
  ESPIPE: "it cannot be positioned: it is a pipe or a terminal",
};

/** The operating system refused something. `cause` is the host's own error. */
export class SystemError extends AnyloopError {
  override readonly name = "SystemError";
  /** The system's name for it, such as `"ENOENT"`. */
  readonly code: string;
  /** The path or program it was about, if it was about one. */
  readonly path: string | undefined;

  /** `action` completes the sentence "Cannot …". */
  constructor(action: string, cause: NodeJS.ErrnoException, path: string | undefined = cause.path) {
    const code = cause.code ?? "UNKNOWN";
    super(`Cannot ${action}: ${sentences[code] ?? cause.message} (${code}).`, { cause });
    this.code = code;
    this.path = path;
  }
}

/** Whether the host threw this on behalf of the system. */
function isErrnoException(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  return (
    error instanceof Error &&
    !(error instanceof AnyloopError) &&
    typeof (error as NodeJS.ErrnoException).code === "string" &&
    (error as NodeJS.ErrnoException).syscall !== undefined
  );
}

/** The error as this package throws it. */
export function asSystemError(error: unknown, action: string, path?: string): unknown {
  return isErrnoException(error) ? new SystemError(action, error, path) : error;
}

type Call = (signal: AbortSignal) => Promise<unknown>;

const callSystem = operation(function* callSystem(
  action: string,
  path: string | undefined,
  call: Call,
): Coroutine<unknown> {
  try {
    return yield* fromPromise(call);
  } catch (error) {
    throw asSystemError(error, action, path);
  }
});

/**
 * Waits for a call of the host that cannot be taken back: a cancellation that arrives meanwhile is thrown at the next
 * operation, so that nothing opened, read or written is lost. A call that heeds the signal ends early.
 */
export function systemCall<T>(
  action: string,
  path: string | undefined,
  call: (signal: AbortSignal) => Promise<T>,
): Operation<T> {
  return callSystem(action, path, call) as Operation<T>;
}
