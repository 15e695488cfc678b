/**
 * Portals: calling into a run from where no task is: callbacks, promise code, other runs, other loops.
 *
 * Invariant: what was called runs as a task of the portal, so it ends with the portal; once that has ended every call is
 * refused with RunFinishedError, whoever still holds the portal. Each call is answered exactly once.
 */
import {
  type Body,
  CancelScope,
  type Coroutine,
  isCancelled,
  type NameOptions,
  type Operation,
  operation,
  RunFinishedError,
  type Task,
  TaskCancelled,
  type TaskGroup,
  taskGroup,
  type Work,
} from "@anyloop/core";
import type { SignalOptions } from "./promised.ts";

export interface CallOptions extends NameOptions, SignalOptions {}

/** One call on its way. */
class Call {
  private readonly scope = new CancelScope();
  private readonly work: Work<unknown>;
  private readonly signal: AbortSignal | undefined;
  private readonly resolve: (value: unknown) => void;
  private readonly reject: (error: unknown) => void;
  private readonly onAbort = (): void => this.scope.cancel((this.signal as AbortSignal).reason);

  constructor(
    work: Work<unknown>,
    signal: AbortSignal | undefined,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.work = work;
    this.signal = signal;
    this.resolve = resolve;
    this.reject = reject;
    signal?.addEventListener("abort", this.onAbort, { once: true });
  }

  /** Never fails: an error of the work is the caller's. */
  *perform(): Coroutine<void> {
    try {
      const value = yield* this.scope.run(withoutArguments(this.work));
      if (this.scope.cancelledCaught) this.reject((this.signal as AbortSignal).reason);
      else this.resolve(value);
    } catch (error) {
      if (isCancelled(error)) {
        this.reject(new TaskCancelled("The portal was cancelled before the call had ended.", error));
        throw error;
      }
      this.reject(error);
    } finally {
      this.signal?.removeEventListener("abort", this.onAbort);
    }
  }
}

/** A scope hands itself to its body; the work of a call is promised no argument. */
function withoutArguments(work: Work<unknown>): Work<unknown> {
  return typeof work === "function" ? () => work() : work;
}

const performCall = operation(function* call(one: Call): Coroutine<void> {
  yield* one.perform();
});

/** A way into a run, for whoever holds it. From anyio's BlockingPortal and trio's TrioToken. */
export class Portal {
  private group: TaskGroup | undefined;

  /** @internal See `openPortal`. */
  constructor(group: TaskGroup) {
    this.group = group;
  }

  /** Whether calls are taken: false once the body that the portal was opened for has ended. */
  get isOpen(): boolean {
    return this.group !== undefined;
  }

  /**
   * Performs the work as a task of the run, and gives what it gives. Aborting the signal cancels it; the promise settles
   * after it has really ended.
   *
   * Rejects with the work's own error, which nobody else is told; with the signal's `reason`; with RunFinishedError once
   * the portal has closed; with TaskCancelled if the run was cancelled meanwhile.
   */
  call<T>(work: Work<T>, { signal, name }: CallOptions = {}): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      const group = this.openGroup();
      if (signal?.aborted === true) throw signal.reason;
      group.startSoon(
        performCall(new Call(work, signal, resolve, reject)),
        name === undefined ? {} : { name },
      );
    }) as Promise<T>;
  }

  /**
   * Starts a task in the run. Nobody waits for it, so its error is the portal's: it cancels the others and is thrown by
   * `openPortal`, as a group does.
   * @throws RunFinishedError once the portal has closed.
   */
  startSoon<T>(work: Work<T>, options?: NameOptions): Task<T> {
    return this.openGroup().startSoon(work, options);
  }

  /** @internal */
  shut(): void {
    this.group = undefined;
  }

  private openGroup(): TaskGroup {
    if (this.group === undefined) {
      throw new RunFinishedError("The portal has closed: what it called into has ended.");
    }
    return this.group;
  }
}

function* usePortal<T>(group: TaskGroup, body: Body<T, [portal: Portal]>): Coroutine<T> {
  const portal = new Portal(group);
  try {
    // A scope nobody cancels: what performs a body of either style.
    return (yield* new CancelScope().run(() => body(portal))) as T;
  } finally {
    portal.shut();
  }
}

/**
 * Opens a portal for the length of a body. At its end calls are no longer taken, and those on their way are waited for.
 *
 * ```ts
 * const told: string[] = [];
 * await run(
 *   openPortal(function* (portal) {
 *     const answered = new UniversalEvent();
 *     setTimeout(async () => {
 *       told.push(await portal.call(async () => "called from a callback"));
 *       answered.set();
 *     }, 1);
 *     yield* answered.wait();
 *   }),
 * );
 * console.log(told[0]); // called from a callback
 * ```
 */
export function openPortal<T>(body: Body<T, [portal: Portal]>): Operation<T> {
  return taskGroup((group: TaskGroup) => usePortal(group, body), { name: "portal" });
}
