/**
 * The machine: a strand is one line of execution, an explicit stack of frames with an iterator on top.
 *
 * `yield*` on an operation calls its iterator's `next`, inside the task's own generator; the operation completes there
 * and then, or changes the strand (parks it, pushes a frame) and answers `pending`, which comes out of the outermost
 * generator's `next`. So a step costs the same at any depth, and no instruction has to be decoded.
 *
 * Invariant: exactly one of these holds: the strand is being stepped (`realm.current`), it is scheduled, it waits
 * (`waiting`), or it has ended. A cancellation is thrown only into a strand that waits.
 */
import { CancelNode } from "./cancel-tree.ts";
import { type Cancelled, UsageError } from "./errors.ts";
import type { Runnable } from "./backend.ts";
import { isOperation } from "./brand.ts";
import { realm, stepBudget } from "./realm.ts";
import type { Run } from "./run.ts";
import type { TaskStrand } from "./task.ts";
import { stepEnded } from "./when-blocked.ts";

/** What stands on top of a strand: a generator, or an operation's own iterator. */
export interface Stepper {
  next(value: unknown): IteratorResult<unknown, unknown>;
  throw(error: unknown): IteratorResult<unknown, unknown>;
}

/** Work that a strand can begin: an operation, or a body with its arguments. */
export interface Startable {
  /** What a task that runs this is called by: its function, as a rule. Asked for a name only when somebody wants to know. */
  readonly named: { readonly name: string };
  /** Sets the strand's iterator and gives the answer of its first step. May throw what a body throws. */
  begin(strand: Strand): IteratorResult<unknown, unknown>;
  /** Leaves with a task all that it needs to begin, if that is little: then this object need not outlive the call. */
  unpackInto(task: TaskStrand): boolean;
}

/** What a parked strand waits for. */
export interface Waiting {
  readonly label: string;
  /** Asked once for each cancellation that arrives; either leaves the strand alone or wakes it. */
  interrupt(cancelled: Cancelled): void;
}

/** A mark on the stack: what is to happen when the iterator above it has ended. */
export abstract class Frame {
  /** The caller, suspended in the operation that pushed this frame. */
  iterator: Stepper | undefined = undefined;
  below: Frame | undefined = undefined;
  abstract readonly label: string;
  /** Sets the outcome for the caller and answers true, or parks the strand and answers false. */
  abstract leave(strand: Strand, failed: boolean, value: unknown): boolean;
}

/** Gives back what the strand is resumed with: the iterator of what has no generator of its own. */
export const passing: Stepper = {
  next(value: unknown) {
    if (value === realm.probe) return realm.pending;
    realm.done.value = value;
    return realm.done;
  },
  throw(error: unknown) {
    throw error;
  },
};

export abstract class Strand extends CancelNode implements Runnable {
  readonly run: Run;
  abstract readonly task: TaskStrand;
  /** The innermost node: where cancellation is looked up. */
  node: CancelNode = this;
  /** Undefined while `resumption` is work that has yet to begin. */
  iterator: Stepper | undefined = undefined;
  frame: Frame | undefined = undefined;
  waiting: Waiting | undefined = undefined;
  /** What the next step resumes with. */
  resumption: unknown;
  resumesFailed = false;

  constructor(run: Run, work: Startable | undefined) {
    super();
    this.run = run;
    this.resumption = work;
  }

  /** First step of what is to run above the frames there are. */
  protected begin(work: unknown): IteratorResult<unknown, unknown> {
    return (work as Startable).begin(this);
  }

  /** The bottom of the stack was reached. */
  protected abstract end(failed: boolean, value: unknown): void;

  /** Resumes a parked strand in a later step. */
  wake(failed: boolean, value: unknown): void {
    this.goOnWith(failed, value);
    this.schedule();
  }

  private goOnWith(failed: boolean, value: unknown): void {
    this.waiting = undefined;
    this.resumesFailed = failed;
    this.resumption = value;
  }

  /** The same as the last act of a promise job: the strand may go on before this returns. */
  wakeInJob(failed: boolean, value: unknown): void {
    // Somebody's own thenable may settle in the midst of a step, or of another loop's.
    const { loop, isWatched } = this.run;
    if (loop.scheduleInJob === undefined || realm.current !== undefined || isWatched) {
      this.wake(failed, value);
      return;
    }
    this.goOnWith(failed, value);
    loop.scheduleInJob(this);
  }

  /** The same, called back by the host: the next step may be taken before this returns. */
  wakeFromHost(failed: boolean, value: unknown): void {
    const { loop, hooks } = this.run;
    // In a step, or in the stack of an `await`, it is the program that resumes; its own code comes first.
    if (loop.scheduleFromHost === undefined || realm.current !== undefined) {
      this.wake(failed, value);
      return;
    }
    this.goOnWith(failed, value);
    if (hooks !== undefined) hooks.call("taskScheduled", this.task);
    loop.scheduleFromHost(this);
  }

  schedule(): void {
    const run = this.run;
    if (run.hooks !== undefined) run.hooks.call("taskScheduled", this.task);
    run.loop.schedule(this);
  }

  /** Called from inside an operation's `next`: the strand goes on with `work` above `frame`. */
  push(frame: Frame, work: Startable): typeof realm.pending {
    frame.iterator = this.iterator;
    frame.below = this.frame;
    this.frame = frame;
    this.iterator = undefined;
    this.resumption = work;
    realm.budget--;
    return realm.pending;
  }

  /** Parks the strand on its own stack: `frame` is asked again once `wake` was called. For frames that wait. */
  waitIn(frame: Frame, waiting: Waiting): false {
    frame.iterator = this.iterator;
    frame.below = this.frame;
    this.frame = frame;
    this.iterator = passing;
    this.waiting = waiting;
    return false;
  }

  step(): void {
    // Before the hooks: who explores schedules sets it to less.
    realm.budget = stepBudget;
    if (this.run.isWatched) this.stepWatched();
    else this.takeStep();
  }

  private takeStep(): void {
    const before = realm.current;
    realm.current = this;
    this.advance();
    realm.current = before;
    // Its budget spent, it has only given its turn, and goes on with what it was doing.
    if (realm.whenBlocked.size > 0) stepEnded(realm.budget > 0);
  }

  private stepWatched(): void {
    const { hooks, contexts } = this.run;
    const before = realm.current;
    realm.current = this;
    hooks?.call("beforeStep", this.task);
    if (contexts === undefined) this.takeStep();
    else contexts.enter(this, () => this.takeStep());
    hooks?.call("afterStep", this.task);
    realm.current = before;
  }

  private advance(): void {
    let { resumption: value, resumesFailed: failed } = this;
    this.resumption = undefined;
    this.resumesFailed = false;
    for (;;) {
      const iterator = this.iterator;
      try {
        const result =
          iterator === undefined ? this.begin(value) : failed ? iterator.throw(value) : iterator.next(value);
        // Some engines pass on the value of what `yield*` was answered, not the answer itself.
        if (result === realm.pending || (result.done !== true && result.value === realm.pending.value)) {
          if (this.iterator !== undefined) return;
          // A frame was pushed. Calls that never wait must not keep the others waiting either.
          if (realm.budget <= 0) {
            this.schedule();
            return;
          }
          value = this.resumption;
          failed = false;
          this.resumption = undefined;
          continue;
        }
        if (result.done !== true) {
          value = notAnOperation(result.value);
          failed = true;
          continue;
        }
        value = result.value;
        failed = false;
        if (isOperation(value)) {
          this.iterator = value[Symbol.iterator]() as Stepper;
          value = undefined;
          continue;
        }
      } catch (error) {
        value = error;
        failed = true;
      }
      const frame = this.frame;
      if (frame === undefined) {
        this.iterator = passing;
        this.end(failed, value);
        return;
      }
      this.iterator = frame.iterator;
      this.frame = frame.below;
      if (!frame.leave(this, failed, value)) return;
      ({ resumption: value, resumesFailed: failed } = this);
      this.resumption = undefined;
      this.resumesFailed = false;
    }
  }

  /** Sets the outcome with which the caller goes on; for frames that have nothing to wait for. */
  outcome(failed: boolean, value: unknown): true {
    this.resumesFailed = failed;
    this.resumption = value;
    return true;
  }

  interrupt(): void {
    // With a scope inside, that scope is told as well, and decides: it may be a shield.
    if (this.node === this) this.tellWaiting();
  }

  /** The innermost node has a new cancellation. */
  tellWaiting(): void {
    if (this.node.pending !== undefined) this.waiting?.interrupt(this.node.pending);
  }

  /** Where each suspended generator of this strand stands, innermost first: the lines of a trace. */
  places(): string[] {
    const places: string[] = [];
    let iterator = this.iterator;
    for (let frame = this.frame; ; frame = frame.below) {
      if (iterator !== undefined && this.waiting !== undefined) places.push(...probe(iterator));
      if (frame === undefined) return places;
      iterator = frame.iterator;
    }
  }
}

/**
 * Sends the probe into a suspended generator. It travels down its `yield*` to the operation, which notes the stack and
 * answers `pending` without completing: the generator is left where it was.
 */
function probe(iterator: Stepper): string[] {
  realm.probe.trace = undefined;
  iterator.next(realm.probe);
  const lines = (realm.probe.trace ?? "").split("\n").map((line) => line.trim());
  const operation = lines.findIndex((line) => line.includes("next"));
  const end = lines.findIndex((line) => line.includes("probe"));
  return lines
    .slice(operation + 1, end < 0 ? undefined : end)
    .filter((line) => line !== "" && !/\bnext \(<anonymous>\)|Generator\.next/.test(line));
}

/** The line at which a suspended caller stands. */
export function placeOf(iterator: Stepper | undefined): string | undefined {
  return iterator === undefined ? undefined : probe(iterator)[0];
}

function notAnOperation(value: unknown): UsageError {
  return new UsageError(
    isOperation(value)
      ? "An operation was yielded with `yield`. Write `yield* operation`."
      : "A task yielded something that is not an operation. Write `yield*` and an operation; " +
          "for a promise, `yield* fromPromise(promise)`.",
  );
}
