/** Who is still at work: for failing a test with a list instead of a number. */
import { currentTask, type Task } from "@anyloop/core";
import { inspect, type TaskReport } from "@anyloop/core/lowlevel";
import { taskLines } from "./task-lines.ts";

/**
 * One entry for each task that has not ended yet: its name, what it waits for (a timer by the time it waits for) and
 * where that is written. Without tasks given, those of the current run, but for the task that asks and the ones it
 * stands under.
 *
 * ```ts
 * await taskGroup(function* (group) {
 *   const cleaner = group.startSoon(sleep(60_000), { name: "cleaner" });
 *   yield* sleep(0);
 *   console.log(openTaskReport()[0]); // cleaner (task 2) waits for 60000 ms to pass
 *   cleaner.cancel();
 * });
 * ```
 *
 * To see the tasks of every run of a backend, collect them with an instrument (`taskSpawned`, `taskExited`) and pass them.
 *
 * @throws UsageError without tasks, outside a run.
 */
export function openTaskReport(tasks?: Iterable<Task<unknown>>): string[] {
  if (tasks === undefined) return ofThisRun();
  const entries: string[] = [];
  for (const task of tasks) if (isOpen(task)) entries.push(describe(inspect(task)));
  return entries;
}

function isOpen({ status }: Task<unknown>): boolean {
  return status === "pending" || status === "running" || status === "cancelling";
}

function ofThisRun(): string[] {
  const mine = new Set<number>();
  for (let task: Task<unknown> | undefined = currentTask(); task !== undefined; task = task.parent)
    mine.add(task.id);
  const entries: string[] = [];
  const visit = (report: TaskReport): void => {
    if (!mine.has(report.id)) entries.push(describe(report));
    for (const child of report.children) visit(child);
  };
  visit(inspect());
  return entries;
}

function describe(report: TaskReport): string {
  return taskLines(report).join("\n");
}
