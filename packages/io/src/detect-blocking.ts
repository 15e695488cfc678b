/**
 * Tells of tasks that hold the loop: while one computes, nobody else is served.
 *
 * Invariant: it only watches, and tells of a step once that has ended: whoever holds the loop holds us as well. From
 * curio's monitor and asyncio's debug mode.
 */
import { type Task, UsageError } from "@anyloop/core";
import { inspect, type Instrument } from "@anyloop/core/lowlevel";

/** A step of a task that held the loop. */
export interface BlockingStep {
  readonly task: Task<unknown>;
  /** For how long, in milliseconds. */
  readonly duration: number;
  /** Where the task stands after the step, innermost first, as lines of a stack trace; empty if it has ended. */
  readonly places: readonly string[];
}

function warn({ task, duration, places }: BlockingStep): void {
  const where = places.length === 0 ? ", then it ended" : ["; it came as far as", ...places].join("\n    ");
  console.warn(
    `Task ${task.name} (${String(task.id)}) held the loop for ${duration.toFixed(0)} ms: nobody else was served. ` +
      `Call checkpoint() in long loops, or runInThread()${where}`,
  );
}

/**
 * Makes an instrument that tells of each step of a task which took longer than `limit` milliseconds: give it to a backend
 * (`kernel({ instruments: [detectBlocking(50)] })`, `native` likewise), or to the current run with `addInstrument`. Without
 * `report` it warns on the console. What the host calls by itself (an `async` function after an `await`) is no step.
 *
 * ```ts
 * import { kernel, run } from "anyloop";
 * import { detectBlocking } from "@anyloop/io";
 *
 * function* compute() {
 *   const end = performance.now() + 60;
 *   while (performance.now() < end);
 * }
 * const watching = detectBlocking(50, ({ task }) => console.log(task.name)); // compute
 * await run(compute, { backend: kernel({ instruments: [watching] }) });
 * ```
 *
 * @throws UsageError unless the limit is a number of milliseconds above 0.
 */
export function detectBlocking(limit: number, report: (step: BlockingStep) => void = warn): Instrument {
  if (!(limit > 0)) throw new UsageError(`The limit is ${String(limit)}. Give milliseconds, above 0.`);
  // One for each step under way: a step that resumes another's run is interrupted by it.
  const starts: number[] = [];
  return {
    beforeStep() {
      starts.push(performance.now());
    },
    afterStep(task) {
      const start = starts.pop();
      // Added in the middle of a step.
      if (start === undefined) return;
      const duration = performance.now() - start;
      if (duration > limit) report({ task, duration, places: inspect(task).places });
    },
  };
}
