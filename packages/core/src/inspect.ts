/** Looking into a run from inside it. */
import { isStrand, type TaskReport, reportOf } from "./blocked.ts";
import type { Instrument } from "./instruments.ts";
import { currentPlace, type Task } from "./task.ts";
import { UsageError } from "./errors.ts";

/**
 * The tree of living tasks below a task, or of the whole run: what each waits for, and where its generators stand.
 * @throws UsageError without a task, outside a run.
 */
export function inspect(task?: Task<unknown>): TaskReport {
  if (task === undefined) return reportOf(currentPlace().run.main);
  if (!isStrand(task)) throw new UsageError("inspect() takes a task, or nothing for the whole run.");
  return reportOf(task.task);
}

/** Adds an instrument to the current run. Adding it again does nothing. */
export function addInstrument(instrument: Instrument): void {
  currentPlace().run.addInstrument(instrument);
}
