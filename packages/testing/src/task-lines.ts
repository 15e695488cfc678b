/** A task in words: who it is, what it waits for, and where that is written. */
import type { TaskReport } from "@anyloop/core/lowlevel";

export function taskLines({ id, name, status, waitingFor, places }: TaskReport): string[] {
  const title = `${name} (task ${String(id)})`;
  if (status === "pending") return [`${title} has not begun`];
  const told = status === "cancelling" ? ", told to stop," : "";
  const state = waitingFor.length === 0 ? "is ready to go on" : `waits for ${waitingFor.join(" and ")}`;
  return [`${title}${told} ${state}`, ...places.map((place) => `  ${place}`)];
}
