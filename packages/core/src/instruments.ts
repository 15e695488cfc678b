/**
 * Looking in: hooks that a run calls as it goes. One list for each hook, so that a hook nobody asked for costs one load.
 *
 * Invariant: an instrument cannot break a run. One that throws is removed and reported; the run goes on.
 */
import type { CancelScope } from "./scope.ts";
import type { RunInfo } from "./run.ts";
import type { Task } from "./task.ts";

/**
 * Hooks, all optional; called synchronously, so they must be quick and must not wait. Those about a step are called as
 * the task whose step it is. From trio's instruments.
 */
export interface Instrument {
  runStarted?(run: RunInfo): void;
  runFinished?(run: RunInfo): void;
  taskSpawned?(task: Task<unknown>): void;
  taskScheduled?(task: Task<unknown>): void;
  beforeStep?(task: Task<unknown>): void;
  afterStep?(task: Task<unknown>): void;
  taskExited?(task: Task<unknown>): void;
  scopeCancelled?(scope: CancelScope | Task<unknown>): void;
  /** The run begins to wait for the host (`waiting` things owed); from `hold`. */
  ioWaitStarted?(waiting: number): void;
  ioWaitFinished?(waiting: number): void;
}

type Hook = keyof Instrument;

/** The hooks of one run. A list is undefined while nobody listens. */
export class Hooks {
  private readonly lists: { [H in Hook]?: Instrument[] } = {};

  constructor(instruments: readonly Instrument[]) {
    for (const instrument of instruments) this.add(instrument);
  }

  /** Adding one again does nothing. */
  add(instrument: Instrument): void {
    for (const hook of hookNames) {
      const list = this.lists[hook] ?? [];
      if (instrument[hook] !== undefined && !list.includes(instrument))
        this.lists[hook] = [...list, instrument];
    }
  }

  remove(instrument: Instrument): void {
    for (const hook of hookNames) {
      const rest = this.lists[hook]?.filter((other) => other !== instrument);
      if (rest === undefined || rest.length === 0) delete this.lists[hook];
      else this.lists[hook] = rest;
    }
  }

  call<H extends Hook>(hook: H, ...args: Parameters<NonNullable<Instrument[H]>>): void {
    const list = this.lists[hook];
    if (list === undefined) return;
    for (const instrument of list) {
      try {
        (instrument[hook] as (...args: unknown[]) => void)(...args);
      } catch (error) {
        this.remove(instrument);
        console.error(`An instrument threw in ${hook} and was removed:`, error);
      }
    }
  }
}

const hookNames: readonly Hook[] = [
  "runStarted",
  "runFinished",
  "taskSpawned",
  "taskScheduled",
  "beforeStep",
  "afterStep",
  "taskExited",
  "scopeCancelled",
  "ioWaitStarted",
  "ioWaitFinished",
];
