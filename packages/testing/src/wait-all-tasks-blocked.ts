/** Waiting until nobody can go on, instead of sleeping for luck. trio's `wait_all_tasks_blocked`. */
import { type Coroutine, currentTask, fromPromise, type Operation, operation } from "@anyloop/core";
import { hostTurn, inspect, type TaskReport } from "@anyloop/core/lowlevel";

/** Turns of the host in a row in which everybody must be found waiting. */
const quietTurns = 3;

function isBlocked(report: TaskReport, observer: number): boolean {
  return (
    (report.id === observer || report.waitingFor.length > 0) &&
    report.children.every((child) => isBlocked(child, observer))
  );
}

/**
 * Waits until every other task of the run waits for something. A task that sleeps counts as waiting, and a virtual clock
 * stands still meanwhile.
 */
export const waitAllTasksBlocked: () => Operation<void> = operation(
  function* waitAllTasksBlocked(): Coroutine<void> {
    const observer = currentTask().id;
    for (let quiet = 0; quiet < quietTurns; quiet++) {
      yield* fromPromise(new Promise<void>(hostTurn));
      if (!isBlocked(inspect(), observer)) quiet = -1;
    }
  },
);
