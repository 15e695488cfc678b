/** A tree of tasks in words, with those places alone that are the test's. */
import type { TaskReport } from "@anyloop/core/lowlevel";
import { taskLines } from "../task-lines.ts";

/** Where the frames stand that this integration itself puts around a body. */
const here = new URL(".", import.meta.url).pathname;

export function taskTree(report: TaskReport, depth = 1): string[] {
  const indent = "  ".repeat(depth);
  const places = report.places.filter((place) => !place.includes(here));
  return [
    ...taskLines({ ...report, places }).map((line) => `${indent}${line}`),
    ...report.children.flatMap((child) => taskTree(child, depth + 1)),
  ];
}
