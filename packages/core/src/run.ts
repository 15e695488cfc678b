/**
 * Runs: a main task, the loop it runs on and the promise its starter holds.
 *
 * Invariant: the promise settles after everything in the run has ended and the loop is closed, so nothing of a run
 * (timer, listener, handle) outlives it.
 */
import { type Ambient, storage } from "./ambient.ts";
import type { Backend, Loop } from "./backend.ts";
import { startable } from "./body.ts";
import { DeadlockError, InternalError, NoBackendError, TaskCancelled, UsageError } from "./errors.ts";
import { Hooks, type Instrument } from "./instruments.ts";
import { describeBlocked } from "./blocked.ts";
import { foreignRealm, realm, refuseForeignRealm } from "./realm.ts";
import { TaskContexts } from "./task-contexts.ts";
import { type TaskHome, TaskStrand } from "./task.ts";
import type { NameOptions, Work } from "./types.ts";

export interface RunOptions extends NameOptions {
  /** Where to run; the default backend if not given. */
  readonly backend?: Backend | undefined;
  /** Cancels the run; its promise then rejects with the signal's `reason`, after everything in it has ended. */
  readonly signal?: AbortSignal | undefined;
  /**
   * `"run"` (default): other people's `AsyncLocalStorage`s hold what they held where the run was started.
   * `"task"`: what they held at each `startSoon`; about 100 ns for each resume.
   */
  readonly asyncContext?: "run" | "task" | undefined;
}

/** A run, as instruments and `inspect` see it. */
export interface RunInfo {
  readonly name: string;
  readonly backend: string;
  readonly ended: boolean;
}

export class Run implements RunInfo, TaskHome {
  readonly name: string;
  readonly backend: string;
  readonly loop: Loop;
  readonly marker: Ambient;
  readonly main: TaskStrand;
  hooks: Hooks | undefined;
  /** Whether steps are more than steps: told to instruments, or taken in a context of the task's own. */
  isWatched: boolean;
  ended = false;
  lastTaskId = 0;
  /** Started by an `await` outside any run: its task is nobody a user knows. */
  isOutside = false;
  readonly locals = new Map<object, unknown>();
  private held = 0;
  /** Only if each task is to keep its own context. */
  readonly contexts: TaskContexts | undefined;
  private readonly context: (<R>(body: () => R) => R) | undefined;
  private readonly signal: AbortSignal | undefined;
  private readonly resolve: (value: unknown) => void;
  private readonly reject: (error: unknown) => void;
  private deadlock: DeadlockError | undefined = undefined;
  private readonly onAbort = (): void => {
    this.main.cancel((this.signal as AbortSignal).reason);
  };

  constructor(
    main: Work<unknown>,
    backend: Backend,
    options: RunOptions,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.resolve = resolve;
    this.reject = reject;
    this.backend = backend.name;
    this.signal = options.signal;
    this.hooks = backend.instruments === undefined ? undefined : new Hooks(backend.instruments);
    this.marker = { run: this, frame: undefined };
    this.contexts = options.asyncContext === "task" ? new TaskContexts(this.marker) : undefined;
    this.isWatched = this.hooks !== undefined || this.contexts !== undefined;
    this.context = storage?.run(this.marker, () => storage?.snapshot());
    this.loop = backend.open({
      enter: (drain) => {
        if (this.context === undefined || storage?.get() === this.marker) drain();
        else this.context(drain);
      },
      deadlocked: () => this.onDeadlock(),
    });
    const work = startable(main);
    this.name = options.name ?? (work.named.name === "" ? "main" : work.named.name);
    this.main = new TaskStrand(this, work, this, this, undefined, undefined);
  }

  start(): void {
    const { signal } = this;
    this.hooks?.call("runStarted", this);
    this.main.launch();
    if (signal?.aborted === true) this.onAbort();
    else signal?.addEventListener("abort", this.onAbort, { once: true });
  }

  addInstrument(instrument: Instrument): void {
    this.isWatched = true;
    if (this.hooks === undefined) this.hooks = new Hooks([instrument]);
    else this.hooks.add(instrument);
  }

  hold(): void {
    this.held++;
    this.loop.hold();
    this.hooks?.call("ioWaitStarted", this.held);
  }

  release(): void {
    this.held--;
    this.loop.release();
    this.hooks?.call("ioWaitFinished", this.held);
  }

  get hostTask(): undefined {
    return undefined;
  }

  taskEnded(main: TaskStrand): void {
    if (!this.finish()) return;
    if (this.deadlock !== undefined) {
      if (main.status === "failed") this.deadlock.cause = main.error;
      this.reject(this.deadlock);
    } else if (main.status === "failed") {
      this.reject(main.error);
    } else if (this.signal?.aborted === true) {
      this.reject(this.signal.reason);
    } else if (main.status === "cancelled") {
      this.reject(new TaskCancelled(`The main task of run ${this.name} was cancelled.`, main.error));
    } else {
      this.resolve(main.value);
    }
  }

  /** An error in what the machine itself relies on: what state tasks are in is not known any more. */
  crash(error: unknown, what: string): void {
    if (this.finish()) this.reject(new InternalError(`${what}; the run ended at once.`, { cause: error }));
  }

  private finish(): boolean {
    if (this.ended) return false;
    this.ended = true;
    this.signal?.removeEventListener("abort", this.onAbort);
    this.loop.close();
    this.hooks?.call("runFinished", this);
    return true;
  }

  private onDeadlock(): void {
    if (this.ended) return;
    if (this.deadlock === undefined) {
      this.deadlock = new DeadlockError(describeBlocked(this.main));
      this.main.cancel(this.deadlock);
    } else if (this.finish()) {
      // Told once to stop, what is left waits under a shield for somebody who will not come.
      this.reject(this.deadlock);
    }
  }
}

/** Sets where operations run that are awaited outside any run, and runs that name no backend. */
export function setDefaultBackend(backend: Backend): void {
  assertBackend(backend);
  realm.defaultBackend = backend;
  realm.runOutside = (operation) =>
    new Promise((resolve, reject) => {
      const outside = new Run(operation, backend, {}, resolve, reject);
      outside.isOutside = true;
      outside.start();
    });
}

/**
 * Sets another default backend for a while. Gives the function that sets the one before again, if there was one.
 *
 * ```ts
 * const restore = replaceDefaultBackend(native());
 * await sleep(1); // on native
 * restore();
 * ```
 */
export function replaceDefaultBackend(backend: Backend): () => void {
  const { defaultBackend, runOutside } = realm;
  setDefaultBackend(backend);
  return () => void Object.assign(realm, { defaultBackend, runOutside });
}

function assertBackend(backend: unknown): asserts backend is Backend {
  if (typeof (backend as Partial<Backend> | undefined)?.open !== "function") {
    throw new UsageError(
      `This is no backend: ${String(backend)}. Pass what kernel() or native() gives, or your own object with name and open().`,
    );
  }
}

/**
 * Runs a body or an operation to its end and gives its value. Everything it started has ended by then.
 *
 * ```ts
 * const answer = await run(function* () {
 *   yield* sleep(1);
 *   return 42;
 * });
 * console.log(answer); // 42
 * ```
 *
 * @throws what the work throws; the signal's `reason` if it was aborted; NoBackendError; DeadlockError.
 */
export function run<T>(main: Work<T>, options: RunOptions = {}): Promise<T> {
  return new Promise<unknown>((resolve, reject) => {
    if (foreignRealm) refuseForeignRealm();
    const backend = options.backend ?? realm.defaultBackend;
    if (backend === undefined) throw new NoBackendError();
    assertBackend(backend);
    new Run(main, backend, options, resolve, reject).start();
  }) as Promise<T>;
}
