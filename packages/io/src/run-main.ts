/**
 * A program's main run, with its Ctrl+C.
 *
 * Invariant: the first SIGINT or SIGTERM cancels main's scope, and the process ends once everything in it has; the second
 * does not wait for that. Listeners are there only while main runs.
 */
import { writeSync } from "node:fs";
import { constants } from "node:os";
import {
  CancelScope,
  type Coroutine,
  currentTask,
  operation,
  run,
  type RunOptions,
  type Task,
  type Work,
} from "@anyloop/core";
import { inspect } from "@anyloop/core/lowlevel";
import { whenNotReceived } from "./signals.ts";
import { formatTaskTree } from "./task-tree.ts";

type Stop = "SIGINT" | "SIGTERM";

/** Longest delay that hosts keep, in milliseconds. */
const longestDelay = 2_147_483_647;

/** What a shell gives a program that a signal ended. */
function exitCodeOf(signal: Stop): number {
  return 128 + constants.signals[signal];
}

class MainRun {
  readonly scope = new CancelScope({ name: "main" });
  /** The signal that came first. */
  stoppedBy: Stop | undefined = undefined;
  private task: Task<unknown> | undefined = undefined;

  readonly onSignal = (signal: NodeJS.Signals): void => {
    if (this.stoppedBy !== undefined) this.giveUp(signal as Stop);
    this.stoppedBy = signal as Stop;
    this.scope.cancel(signal);
  };

  *perform(main: Work<unknown>): Coroutine<unknown> {
    this.task = currentTask();
    // The scope would be an argument, which is not main's to see.
    return yield* this.scope.run(typeof main === "function" ? () => main() : main);
  }

  /** Told to end a second time: says what did not end, and ends. */
  private giveUp(signal: Stop): never {
    const tree = this.task === undefined ? "" : `\n${formatTaskTree(inspect(this.task))}`;
    // In one piece and before the process ends; a stream would be too late.
    writeSync(process.stderr.fd, `\n${signal} again: ended while these tasks had not.${tree}\n`);
    process.exit(exitCodeOf(signal));
  }
}

const performMain = operation(function* runMain(state: MainRun, main: Work<unknown>): Coroutine<unknown> {
  return yield* state.perform(main);
});

/**
 * Runs a program's main work, and ends it in order on Ctrl+C (SIGINT) or SIGTERM: the first cancels it, and the process
 * gets the exit code 130 or 143 once every `finally` is done; the second prints the tree of the tasks that are left and
 * ends the process at once. Signals that `signals()` receives are left to that. While main runs the process stays alive.
 *
 * ```ts
 * import { runMain } from "@anyloop/io";
 *
 * await runMain(function* () {
 *   yield* sleep(1);
 *   console.log("done"); // done
 * });
 * ```
 *
 * @returns what main gives; undefined if it was stopped.
 * @throws what main throws.
 */
export async function runMain<T>(main: Work<T>, options: RunOptions = {}): Promise<T | undefined> {
  const state = new MainRun();
  const stopListening = whenNotReceived(["SIGINT", "SIGTERM"], state.onSignal);
  // A signal can always wake main: the process stays for it, and tasks that wait for ever are no deadlock.
  const stay = setInterval(() => {}, longestDelay);
  try {
    const value = await run(performMain(state, main), options);
    if (state.scope.cancelledCaught && state.stoppedBy !== undefined) {
      process.exitCode = exitCodeOf(state.stoppedBy);
    }
    return value as T | undefined;
  } finally {
    clearInterval(stay);
    stopListening();
  }
}
