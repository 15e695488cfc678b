/** The living tasks of a run as text, for a person who asks why it does not end. */
import type { TaskReport } from "@anyloop/core/lowlevel";

export function formatTaskTree(report: TaskReport): string {
  const lines: string[] = [];
  const add = (task: TaskReport, depth: number): void => {
    const indent = "  ".repeat(depth);
    const waiting = task.waitingFor.length === 0 ? "nothing: it runs" : task.waitingFor.join(" and ");
    lines.push(`${indent}${task.name} (task ${String(task.id)}), ${task.status}, waits for ${waiting}`);
    for (const place of task.places) lines.push(`${indent}    ${place}`);
    for (const child of task.children) add(child, depth + 1);
  };
  add(report, 0);
  return lines.join("\n");
}
