/**
 * Traces across tasks: the engine's stack ends where a generator is resumed, so an error that crosses frames is told
 * which operations and which task it came through.
 *
 * Invariant: the error keeps its identity; only its `stack` grows, by at most `most` lines, and never a `Cancelled`'s.
 */
import { isCancelled } from "./errors.ts";

const most = 32;
const lines = new WeakMap<Error, number>();

/** Notes that an error has left an operation, and at which line of its caller, if that is known. */
export function crossed(error: unknown, operation: string, place: string | undefined): void {
  const name = operation === "" ? "(anonymous)" : operation;
  extend(
    error,
    `    at operation ${name}${place === undefined ? "" : `, ${place.replace(/^at /, "called at ")}`}`,
  );
}

/** Notes that an error has ended a task. */
export function ended(error: unknown, task: string): void {
  extend(error, `    in task ${task}`);
}

function extend(error: unknown, line: string): void {
  try {
    if (!(error instanceof Error) || isCancelled(error)) return;
    const count = lines.get(error) ?? 0;
    if (count >= most) return;
    lines.set(error, count + 1);
    error.stack = `${error.stack ?? String(error)}\n${count === most - 1 ? "    …" : line}`;
  } catch {
    // A frozen error, or one whose properties throw, keeps the trace it has.
  }
}
