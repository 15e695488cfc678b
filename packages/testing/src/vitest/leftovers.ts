/**
 * What a test leaves behind: tasks that are still alive, host timers that are still set, and errors that nobody handled.
 *
 * Invariant: nothing of it outlives `end()`: tasks are cancelled, timers cleared, and listeners taken off.
 */
import type { Task } from "@anyloop/core";
import { hostTurn, inspect, type Instrument } from "@anyloop/core/lowlevel";
import { taskTree } from "./task-tree.ts";
import { TimerWatch } from "./timer-watch.ts";
import { catchUnhandled } from "./unhandled.ts";

/** Turns of the host after which every unhandled rejection has been told, and cancelled tasks have ended. */
const turns = 3;

/** Times some turns for a timer that is due at once: it is on its way, not left behind. */
const turnsForDue = 20;

/** A test left something behind. The message names all of it. */
export class LeftoverError extends Error {
  override readonly name = "LeftoverError";

  constructor(left: readonly string[], errors: readonly unknown[]) {
    super(`The test left behind:\n${left.map((item) => `  ${item}`).join("\n")}`, { cause: errors[0] });
    // Where this was made says nothing; what was left says where that was.
    this.stack = String(this);
  }
}

export class Leftovers {
  private readonly tasks = new Set<Task<unknown>>();
  private readonly errors: unknown[] = [];
  private readonly timers = new TimerWatch();
  private readonly stopCatching = catchUnhandled((error) => this.errors.push(error));
  /** For every backend that the test uses. */
  readonly instruments: readonly Instrument[] = [
    {
      taskSpawned: (task) => void this.tasks.add(task),
      taskExited: (task) => void this.tasks.delete(task),
    },
  ];

  /** Ends what is left, and says what it was; undefined if there was nothing. */
  async end(): Promise<LeftoverError | undefined> {
    await someTurns();
    const left = this.roots().map((task) => `the task ${taskTree(inspect(task)).join("\n").trim()}`);
    // Told before the others are cancelled: that they are is not the test's doing.
    const errors = [...this.errors];
    for (const task of this.roots()) task.cancel("the test that left this task behind is over");
    // What they waited for, timers included, goes with them.
    if (left.length > 0) await someTurns();
    for (let turn = 0; turn < turnsForDue && this.timers.isAnyDue; turn++) await someTurns();
    left.push(...this.timers.pending().map((timer) => `a timer: ${timer}`));
    this.timers.end();
    this.stopCatching();
    left.push(...errors.map((error) => `an error that nobody handled: ${String(error)}`));
    return left.length === 0 ? undefined : new LeftoverError(left, errors);
  }

  /** Cancelled, they take the others with them. */
  private roots(): Task<unknown>[] {
    return [...this.tasks].filter(({ parent }) => parent === undefined);
  }
}

async function someTurns(): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise<void>(hostTurn);
}
