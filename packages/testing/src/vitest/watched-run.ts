/**
 * One run of a test, watched: it ends in time, and leaves nothing behind.
 *
 * Invariant: whatever of the test is still alive at its end (tasks of other runs, host timers, errors that nobody
 * handled) fails it by name and is ended, so that the next test does not meet it. What is watched is the whole program:
 * one test at a time.
 */
import { type Backend, type Coroutine, currentTask, run, UsageError } from "@anyloop/core";
import { inspect, type Instrument, replaceDefaultBackend } from "@anyloop/core/lowlevel";
import type { Attempt } from "../matrix.ts";
import { Leftovers } from "./leftovers.ts";
import { taskTree } from "./task-tree.ts";

/** The part of a test's time after which its body is cancelled; the rest is for its `finally` blocks. */
const bodyShare = 0.8;
/** The part of a test's time after which nobody waits for its clean-up any more. */
const cleanUpShare = 0.95;

/** The body of a test did not end in time. The message says what every task was waiting for. */
export class TestTimeoutError extends Error {
  override readonly name = "TestTimeoutError";
}

export interface WatchOptions {
  /** Milliseconds of real time for the test, of which this run may be a part; no limit if 0 or Infinity. */
  readonly timeout: number;
  /** When the test began, on the clock of `performance.now()`. */
  readonly began: number;
  /** Aborted when the test runner gives the test up, or wants it to stop. */
  readonly signal: AbortSignal;
  /** Whether what a test leaves behind fails it. */
  readonly leftovers: "fail" | "ignore";
}

// Fake timers, and our own watch, replace the globals; the time that a test may take is real.
const { setTimeout, clearTimeout } = globalThis;

interface UnderWay {
  readonly signal: AbortSignal;
  readonly ended: Promise<void>;
}

let underWay: UnderWay | undefined;

/** The default backend while a test is under way: work outside its run runs as the test does, and is watched with it. */
function backendOutside(attempt: Attempt, instruments: readonly Instrument[]): Backend {
  return {
    name: "the backend of the test",
    instruments,
    // Another for each run: under one virtual clock a run could not wait for another, whose clock it would hold.
    open: (options) => attempt.makeBackend().open(options),
  };
}

/** Performs the body in a run of the attempt's backend. @throws what the body throws; TestTimeoutError; LeftoverError. */
export async function watchedRun(
  body: (backend: Backend) => Coroutine<void>,
  attempt: Attempt,
  options: WatchOptions,
): Promise<void> {
  // One that the runner has given up is on its way to its end.
  while (underWay?.signal.aborted === true) await underWay.ended;
  if (underWay !== undefined) {
    throw new UsageError(
      "Another test is still running. Tests of @anyloop/testing/vitest watch the whole program, so they cannot be concurrent.",
    );
  }
  const leftovers = new Leftovers();
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  underWay = { signal: options.signal, ended };
  const restoreDefault = replaceDefaultBackend(backendOutside(attempt, leftovers.instruments));
  const errors: unknown[] = [];
  try {
    await runInTime(body, attempt.makeBackend(leftovers.instruments), options);
  } catch (error) {
    errors.push(error);
  }
  const left = await leftovers.end().finally(() => {
    restoreDefault();
    underWay = undefined;
    end();
  });
  // A test that did not end in time has said what it left.
  const isTold = options.leftovers === "ignore" || errors[0] instanceof TestTimeoutError;
  if (left !== undefined && !isTold) errors.push(left);
  if (errors.length > 1) throw new AggregateError(errors, "The test failed, and left something behind.");
  if (errors.length > 0) throw errors[0];
}

/** Cancels the body when its time is over, and gives up when it does not even end then. */
async function runInTime(
  body: (backend: Backend) => Coroutine<void>,
  backend: Backend,
  { timeout, began, signal }: WatchOptions,
): Promise<void> {
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  let tasks = (): string => "";
  const running = run(
    function* test() {
      const main = currentTask();
      tasks = () => taskTree(inspect(main)).join("\n");
      yield* body(backend);
    },
    { backend, signal: stop.signal, name: "test" },
  );
  const timers: ReturnType<typeof setTimeout>[] = [];
  const after = (share: number, then: (milliseconds: number) => void): void => {
    if (!(timeout > 0 && timeout < Infinity)) return;
    const milliseconds = Math.round(timeout * share);
    timers.push(setTimeout(() => then(milliseconds), began + milliseconds - performance.now()));
  };
  const givenUp = new Promise<never>((_, reject) => {
    after(cleanUpShare, (milliseconds) => {
      const message = `The test was cancelled and has not ended after ${String(milliseconds)} ms. It still waits:`;
      reject(new TestTimeoutError(`${message}\n${tasks()}`));
    });
  });
  after(bodyShare, (milliseconds) => {
    const message = `The test was not done within ${String(milliseconds)} of its ${String(timeout)} ms and was cancelled. It waited:`;
    stop.abort(new TestTimeoutError(`${message}\n${tasks()}`));
  });
  try {
    await Promise.race([running, givenUp]);
  } finally {
    for (const timer of timers) clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}
