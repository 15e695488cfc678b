/**
 * A call of the host, as an operation.
 *
 * Invariant: an error of the system leaves it as a `SystemError`, an argument that the host refuses as a `UsageError`;
 * whatever else was thrown (a cancellation, an error of ours) passes untouched.
 */
import {
  AnyloopError,
  type Coroutine,
  fromPromise,
  type Operation,
  operation,
  UsageError,
} from "@anyloop/core";
import { codeOf, SystemError } from "./system-error.ts";

/** Whether the host threw this on behalf of the system. */
function isErrnoException(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  return (
    error instanceof Error &&
    !(error instanceof AnyloopError) &&
    typeof (error as NodeJS.ErrnoException).code === "string" &&
    (error as NodeJS.ErrnoException).syscall !== undefined
  );
}

/** Whether the host refused an argument: a path with a null byte, a mode that is none. */
function isRefusedArgument(error: unknown): error is Error {
  return error instanceof TypeError && codeOf(error).startsWith("ERR_INVALID_ARG");
}

/** The error as this package throws it. `action` completes the sentence "Cannot …". */
export function asSystemError(error: unknown, action: string, path?: string): unknown {
  if (isRefusedArgument(error)) {
    return new UsageError(`Cannot ${action}: ${error.message}`, { cause: error });
  }
  return isErrnoException(error) ? new SystemError(`Cannot ${action}`, error, path) : error;
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
