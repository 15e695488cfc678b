/**
 * Every error of anyloop. Each has a `name`, a stable `code` and a sentence that says what to do.
 *
 * Invariant: a `Cancelled` is made once for each cancelled scope, carries no trace, and is known by its brand, so that
 * two copies of core recognise each other's.
 */
import type { CancelNode } from "./cancel-tree.ts";

const cancelledBrand: unique symbol = Symbol.for("anyloop.cancelled.1") as never;

/** The class that all errors of anyloop extend. */
export abstract class AnyloopError extends Error {
  /** Stable, for programs. */
  abstract readonly code: string;
}

/**
 * Thrown into a task at the operation it waits for, and again at every later operation until the cancelled scope is
 * left. Clean up in `finally`; to do something on cancellation, catch it and throw it on.
 */
export class Cancelled extends Error {
  readonly code = "CANCELLED";
  /** What was given to `cancel(reason)`. */
  readonly reason: unknown;
  readonly [cancelledBrand]: CancelNode;

  /** @internal */
  constructor(node: CancelNode, reason: unknown) {
    const why = typeof reason === "string" ? ` (${reason})` : "";
    super(`This task was cancelled${why}. Let it pass, or clean up in \`finally\`.`);
    this.name = "Cancelled";
    this.reason = reason;
    this[cancelledBrand] = node;
  }
}

interface TraceLimit {
  stackTraceLimit?: number;
}

/** A trace would cost more than the whole cancellation and would show the canceller, not the cancelled. */
export function createCancelled(node: CancelNode, reason: unknown): Cancelled {
  const errors = Error as TraceLimit;
  const limit = errors.stackTraceLimit;
  if (limit === undefined) return new Cancelled(node, reason);
  errors.stackTraceLimit = 0;
  const cancelled = new Cancelled(node, reason);
  errors.stackTraceLimit = limit;
  return cancelled;
}

/** Whether an error is a cancellation, of this copy of core or another. */
export function isCancelled(error: unknown): error is Cancelled {
  return typeof error === "object" && error !== null && cancelledBrand in error;
}

/** The place in the tree whose cancellation this is. */
export function cancelledNode(cancelled: Cancelled): CancelNode {
  return cancelled[cancelledBrand];
}

/** The API was used in a way it cannot work. The message says what to write instead. */
export class UsageError extends AnyloopError {
  override readonly name = "UsageError";
  readonly code = "USAGE";
}

/** The time given to `failAfter` or `failAt` is over. */
export class TimeoutError extends AnyloopError {
  override readonly name = "TimeoutError";
  readonly code = "TIMEOUT";
  /** The scope whose deadline passed: tells an inner timeout from an outer one. */
  readonly scope: unknown;
  constructor(message = "The deadline passed before the work was done.", scope?: unknown) {
    super(message);
    this.scope = scope;
  }
}

/** A `…Nowait` call could not be done without waiting. */
export class WouldBlock extends AnyloopError {
  override readonly name = "WouldBlock";
  readonly code = "WOULD_BLOCK";
  constructor(message = "This cannot be done without waiting. Use the form that waits, or try later.") {
    super(message);
  }
}

/** The other side ended the stream in order: nothing more will come. */
export class EndOfStream extends AnyloopError {
  override readonly name = "EndOfStream";
  readonly code = "END_OF_STREAM";
  constructor(message = "The stream has ended: nothing more will come.") {
    super(message);
  }
}

/** Whether an error is the end of a stream, of this copy of core or another. */
export function isEndOfStream(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === "END_OF_STREAM";
}

/** This side was closed, by this program, and then used. */
export class ClosedResourceError extends AnyloopError {
  override readonly name = "ClosedResourceError";
  readonly code = "CLOSED_RESOURCE";
  constructor(message = "This was closed before. Use it before you close it, or a clone of it.") {
    super(message);
  }
}

/** The other side failed or went away. `cause` says why, where it is known. */
export class BrokenResourceError extends AnyloopError {
  override readonly name = "BrokenResourceError";
  readonly code = "BROKEN_RESOURCE";
  constructor(message = "The other side failed or went away.", options?: ErrorOptions) {
    super(message, options);
  }
}

/** Two tasks did at once what only one may do at a time. */
export class BusyResourceError extends AnyloopError {
  override readonly name = "BusyResourceError";
  readonly code = "BUSY_RESOURCE";
  constructor(action = "using") {
    super(`Another task is already ${action} this resource. Let one task do it, or guard it with a Lock.`);
  }
}

/** The stream ended in the middle of what was to be read. */
export class IncompleteRead extends AnyloopError {
  override readonly name = "IncompleteRead";
  readonly code = "INCOMPLETE_READ";
  constructor(message = "The stream ended before everything asked for had come.") {
    super(message);
  }
}

/** The delimiter did not come within the bytes allowed. */
export class DelimiterNotFound extends AnyloopError {
  override readonly name = "DelimiterNotFound";
  readonly code = "DELIMITER_NOT_FOUND";
  /** Bytes that were searched. */
  readonly maxBytes: number;
  constructor(maxBytes: number) {
    super(`The delimiter was not found in the first ${String(maxBytes)} bytes.`);
    this.maxBytes = maxBytes;
  }
}

/** Two or more tasks of a group failed (or one, if the group is strict). `errors` are in order of occurrence. */
export class TaskGroupError extends AggregateError {
  override readonly name = "TaskGroupError";
  readonly code = "TASK_GROUP";
  constructor(errors: readonly unknown[], message?: string) {
    super(
      errors,
      message ??
        `${errors.length} ${errors.length === 1 ? "task" : "tasks"} failed: ${errors.map(brief).join("; ")}`,
    );
    this.cause = errors[0];
  }
}

/** `join()` on a task that failed. `cause` is the task's own error. */
export class TaskFailed extends AnyloopError {
  override readonly name = "TaskFailed";
  readonly code = "TASK_FAILED";
  constructor(task: string, cause: unknown) {
    super(`The task ${task} failed: ${brief(cause)}`, { cause });
  }
}

/** `join()` on a task that was cancelled, or a cancellation that came from outside the scopes it passed. */
export class TaskCancelled extends AnyloopError {
  override readonly name = "TaskCancelled";
  readonly code = "TASK_CANCELLED";
  constructor(message: string, cause: unknown) {
    super(message, { cause });
  }
}

/** The value or error of a task was read before the task had ended. */
export class TaskNotFinished extends AnyloopError {
  override readonly name = "TaskNotFinished";
  readonly code = "TASK_NOT_FINISHED";
  constructor(task: string) {
    super(`The task ${task} has not ended yet. Wait for it with join() or wait().`);
  }
}

/** An operation was to be run and nobody said on which backend. */
export class NoBackendError extends AnyloopError {
  override readonly name = "NoBackendError";
  readonly code = "NO_BACKEND";
  constructor() {
    super(
      'No backend is set. Import from "anyloop", which sets the kernel, or call setDefaultBackend(…), or pass { backend } to run().',
    );
  }
}

/** An operation was awaited where no task can be told, though a run is alive. */
export class AmbientContextError extends AnyloopError {
  override readonly name = "AmbientContextError";
  readonly code = "AMBIENT_CONTEXT";
}

/** Every task waits and nobody is left who could wake one. */
export class DeadlockError extends AnyloopError {
  override readonly name = "DeadlockError";
  readonly code = "DEADLOCK";
}

/** A run was used after its end. */
export class RunFinishedError extends AnyloopError {
  override readonly name = "RunFinishedError";
  readonly code = "RUN_FINISHED";
  constructor(message = "This run has ended: nothing can be started in it any more.") {
    super(message);
  }
}

/** An abort function threw, or something else that must not: a defect, not an outcome. */
export class InternalError extends AnyloopError {
  override readonly name = "InternalError";
  readonly code = "INTERNAL";
}

/** The flat list of what went wrong, whether it was thrown alone or wrapped. */
export function errorsOf(error: unknown): unknown[] {
  return flat(error, new Set());
}

function flat(error: unknown, seen: Set<unknown>): unknown[] {
  if (!(error instanceof AggregateError) || seen.has(error)) return [error];
  // One that contains itself is told as itself there.
  seen.add(error);
  return error.errors.flatMap((one) => flat(one, seen));
}

/** One line about anything that was thrown. */
export function brief(error: unknown): string {
  try {
    if (error instanceof Error) return error.message === "" ? error.name : `${error.name}: ${error.message}`;
    return typeof error === "string" ? error : Object.prototype.toString.call(error);
  } catch {
    // What was thrown has getters that throw.
    return "an error that cannot be shown";
  }
}
