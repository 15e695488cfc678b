/** A tree of tasks in words: who waits for what, and where in the test that was written. */
import type { TaskReport } from "@anyloop/core/lowlevel";

/** Where the frames stand that this integration itself puts around a body. */
const here = new URL(".", import.meta.url).pathname;

export function taskLines(report: TaskReport, depth = 1): string[] {
  const indent = "  ".repeat(depth);
  const { name, id, status, waitingFor, places, children } = report;
  const waits = waitingFor.length > 0 ? `waits for ${waitingFor.join(" and ")}` : `is ${status}`;
  return [
    `${indent}${name} (task ${String(id)}) ${waits}`,
    ...places.filter(isOfTest).map((place) => `${indent}  ${place}`),
    ...children.flatMap((child) => taskLines(child, depth + 1)),
  ];
}

function isOfTest(place: string): boolean {
  return place !== "" && !place.includes(here) && !place.endsWith("(<anonymous>)");
}
