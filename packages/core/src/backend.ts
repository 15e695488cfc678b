/**
 * What a backend is: it decides when a task takes its next step, what the time is and when to sleep. What a scope, a
 * lock or a stream means is core's alone, so any two backends agree by construction.
 */
import type { Instrument } from "./instruments.ts";

/** One step of work. `task` is undefined for what does not belong to a task. */
export interface Runnable {
  readonly task: object | undefined;
  /** Never throws. */
  step(): void;
}

/** Something that waits for a time. */
export interface Timer {
  /** Called once, at or after the deadline, from the loop. Never throws. */
  expired(): void;
}

export interface TimerHandle {
  /** Does nothing once the timer has expired. */
  cancel(): void;
}

/** What core tells a backend about the run it opens a loop for. */
export interface LoopOptions {
  /** Runs the function in the ambient context of the run: all steps and timers go through it. Never throws. */
  readonly enter: (drain: () => void) => void;
  /** Tells the run that no task is ready, no timer is set and nothing is held. */
  readonly deadlocked: () => void;
}

/** A backend, as a run sees it. */
export interface Loop {
  /** Milliseconds on a monotonic clock. */
  now(): number;
  /** Whether no step is ready that could be taken now; false if the backend cannot tell. */
  readonly isIdle: boolean;
  /** First in, first out; never runs the step inside the call. From any callback; without effect after `close()`. */
  schedule(runnable: Runnable): void;
  /**
   * The same as the last act of a promise job, with no step on the stack: a backend may take the step before this returns,
   * in its turn and within the slice, which saves a job of its own. One that never does leaves it out.
   */
  scheduleInJob?(runnable: Runnable): void;
  /**
   * The same, from a callback of the host with no step on the stack: a backend may take the step before this returns.
   * One that never does leaves it out.
   */
  scheduleFromHost?(runnable: Runnable): void;
  /**
   * Calls `timer.expired()` once `now() >= deadline`. Of what is due in one turn all of order `"operation"` come before
   * all of order `"deadline"`, each by deadline, then by registration: what is done in time is not cancelled.
   */
  callAt(deadline: number, timer: Timer, order: "operation" | "deadline"): TimerHandle;
  /** The host owes this run a wake-up (I/O, a foreign promise): keeps a virtual clock and the process. Counted. */
  hold(): void;
  /** Takes one `hold()` back. */
  release(): void;
  /** The run has ended. Frees every timer and handle. */
  close(): void;
}

/** Makes a loop for each run. */
export interface Backend {
  readonly name: string;
  /** Told about every run of this backend. */
  readonly instruments?: readonly Instrument[] | undefined;
  open(options: LoopOptions): Loop;
}
