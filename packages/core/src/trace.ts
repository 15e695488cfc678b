/**
 * Traces across tasks: the engine's stack ends where a generator is resumed, so an error that crosses frames is told
 * which operations and which task it came through.
 *
 * Invariant: the error keeps its identity; only its `stack` grows, by at most `most` lines, and never a `Cancelled`'s.
 */
import { isCancelled } from "./errors.ts";

const most = 32;
const traces = new WeakMap<Error, Trace>();

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
    const trace = traces.get(error) ?? beginTrace(error);
    if (trace.count >= most) return;
    trace.count++;
    trace.add(trace.count === most ? "    …" : line);
  } catch {
    // A frozen error, or one whose properties throw, keeps the trace it has.
  }
}

interface Trace {
  count: number;
  add(line: string): void;
}

function beginTrace(error: Error): Trace {
  const own = Object.getOwnPropertyDescriptor(error, "stack");
  const trace = own?.get === undefined ? new WrittenTrace(error) : new LazyTrace(error, own.get);
  traces.set(error, trace);
  return trace;
}

/** Where the engine has written the stack into the error already. */
class WrittenTrace implements Trace {
  count = 0;
  private readonly error: Error;

  constructor(error: Error) {
    this.error = error;
  }

  add(line: string): void {
    this.error.stack = `${this.error.stack ?? String(this.error)}\n${line}`;
  }
}

/**
 * Where the engine writes the stack when it is first read: so do we, because that takes longer than all the rest, and most
 * errors are caught by somebody who does not read it.
 */
class LazyTrace implements Trace {
  count = 0;
  private lines = "";
  private assigned: unknown = undefined;

  constructor(error: Error, read: () => unknown) {
    Object.defineProperty(error, "stack", {
      configurable: true,
      enumerable: false,
      get: () => `${String(this.assigned ?? read.call(error))}${this.lines}`,
      set: (stack: unknown) => {
        this.assigned = stack;
        this.lines = "";
      },
    });
  }

  add(line: string): void {
    this.lines += `\n${line}`;
  }
}
