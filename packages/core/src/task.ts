/**
 * Tasks: what a group started, as a strand of its own and as the handle that users hold.
 *
 * Invariant: a task ends exactly once, as finished, failed or cancelled; those who wait for it are told first, its home
 * (the group, the pending start, the run) after them, so that a group learns of an error before of its echo in a joiner.
 */
import { type AnyFunction, beginBody } from "./body.ts";
import type { CancelNode } from "./cancel-tree.ts";
import {
  type Cancelled,
  isCancelled,
  TaskCancelled,
  TaskFailed,
  TaskNotFinished,
  UsageError,
} from "./errors.ts";
import { Leaf } from "./leaf.ts";
import { openFrame } from "./ambient.ts";
import { realm } from "./realm.ts";
import type { Run } from "./run.ts";
import { withoutCancellations } from "./sift.ts";
import { type Startable, Strand } from "./strand.ts";
import { ended } from "./trace.ts";
import type { NameOptions, Operation } from "./types.ts";

/** Where a task stands. `cancelling`: it was told to stop and has not ended yet. */
export type TaskState = "pending" | "running" | "cancelling" | "finished" | "failed" | "cancelled";

/** A handle on a task. Not a promise: giving it back from an async function does not wait for it. */
export interface Task<out T> {
  /**
   * Waits for the task and gives its value.
   * @throws TaskFailed with the task's error as `cause`; TaskCancelled if it was cancelled.
   */
  join(): Operation<T>;
  /** Waits until the task has ended, however it ended. Never throws the task's error. */
  wait(): Operation<void>;
  /** Cancels this task alone. Once it has ended, nothing happens. */
  cancel(reason?: unknown): void;
  /** Counts from 1 within the run. */
  readonly id: number;
  readonly name: string;
  /** The task that hosts the group this one runs in; undefined for the main task of a run. */
  readonly parent: Task<unknown> | undefined;
  readonly status: TaskState;
  /**
   * What the task gave back.
   * @throws TaskNotFinished before its end; TaskFailed or TaskCancelled if it has no value.
   */
  readonly value: T;
  /**
   * What the task failed with: its error, or the `Cancelled`; undefined if it finished.
   * @throws TaskNotFinished before its end.
   */
  readonly error: unknown;
}

/** The name an option gives, as a task keeps it. */
export function nameGiven(options: NameOptions | undefined): { readonly name: string } | undefined {
  return options?.name === undefined ? undefined : { name: options.name };
}

/** Whoever answers for a task. */
export interface TaskHome {
  /** The parent of its tasks. */
  readonly hostTask: TaskStrand | undefined;
  taskEnded(task: TaskStrand): void;
}

/** Told when a task has ended. */
export interface ExitListener {
  taskExited(task: TaskStrand): void;
}

/** Values of `TaskLocal`s, copied when one of them is set. */
export type Locals = ReadonlyMap<object, unknown>;

/**
 * Where a task is. Before it begins: whether `resumption` is the one argument of its body, all of them, or other work.
 * Numbers in order, because every step looks.
 */
export const Phase = {
  work: 0,
  call: 1,
  apply: 2,
  running: 3,
  finished: 4,
  failed: 5,
  cancelled: 6,
} as const;

const states: readonly TaskState[] = [
  "pending",
  "pending",
  "pending",
  "running",
  "finished",
  "failed",
  "cancelled",
];

export class TaskStrand extends Strand implements Task<unknown> {
  readonly id: number;
  home: TaskHome;
  locals: Locals | undefined;
  /** @internal */
  phase: number = Phase.work;
  /** Whatever has the task's name, so that nobody spells it out before it is asked for; the body, if that begins. */
  private named: { readonly name: string };
  private listeners: Set<ExitListener> | undefined = undefined;

  /** `under` is the node the task runs under; undefined for the main task. */
  constructor(
    run: Run,
    work: Startable,
    home: TaskHome,
    named: { readonly name: string } | undefined,
    locals: Locals | undefined,
    under: CancelNode | undefined,
  ) {
    super(run, undefined);
    this.id = ++run.lastTaskId;
    this.home = home;
    this.locals = locals;
    this.named = named ?? work.named;
    if (named !== undefined || !work.unpackInto(this)) this.resumption = work;
    run.contexts?.capture(this);
    if (under !== undefined) this.attach(under);
  }

  /** Only what is left of a call is kept until it begins: many tasks that wait to begin live long enough to be moved. */
  expectCall(body: AnyFunction, first: unknown, args: readonly unknown[] | undefined): void {
    this.named = body;
    this.phase = args === undefined ? Phase.call : Phase.apply;
    this.resumption = args ?? first;
  }

  protected override begin(work: unknown): IteratorResult<unknown, unknown> {
    const { phase } = this;
    if (phase === Phase.running) return super.begin(work);
    this.phase = Phase.running;
    if (phase === Phase.work) return super.begin(work);
    const body = this.named as AnyFunction;
    return phase === Phase.call
      ? beginBody(this, body, undefined, work, undefined)
      : beginBody(this, body, undefined, undefined, work as readonly unknown[]);
  }

  /** Begins to run in a later step. */
  launch(): this {
    this.run.hooks?.call("taskSpawned", this);
    this.schedule();
    return this;
  }

  get task(): this {
    return this;
  }

  /** To whom it counts what this task acquires. */
  get claimant(): TaskStrand {
    return this;
  }

  get name(): string {
    const { name } = this.named;
    return name === "" ? `task ${this.id}` : name;
  }

  get parent(): TaskStrand | undefined {
    return this.home.hostTask;
  }

  get hasEnded(): boolean {
    return this.phase >= Phase.finished;
  }

  get status(): TaskState {
    return !this.hasEnded && this.pending !== undefined ? "cancelling" : (states[this.phase] as TaskState);
  }

  get value(): unknown {
    if (this.phase === Phase.finished) return this.resumption;
    throw this.failure();
  }

  get error(): unknown {
    if (!this.hasEnded) throw new TaskNotFinished(this.name);
    return this.phase === Phase.finished ? undefined : this.resumption;
  }

  cancel(reason?: unknown): void {
    if (this.hasEnded) return;
    if (this.cancelNode(reason)) this.run.hooks?.call("scopeCancelled", this);
  }

  join(): Operation<unknown> {
    return new Join(this, true);
  }

  wait(): Operation<void> {
    return new Join(this, false) as unknown as Operation<void>;
  }

  /** What `join` throws. */
  failure(): Error {
    if (this.phase === Phase.failed) return new TaskFailed(this.name, this.resumption);
    if (this.phase === Phase.cancelled) {
      return new TaskCancelled(`The task ${this.name} was cancelled before it finished.`, this.resumption);
    }
    return new TaskNotFinished(this.name);
  }

  onExit(listener: ExitListener): void {
    (this.listeners ??= new Set()).add(listener);
  }

  offExit(listener: ExitListener): void {
    this.listeners?.delete(listener);
  }

  protected end(failed: boolean, result: unknown): void {
    const value = failed ? withoutCancellations(result, this) : result;
    if (!failed) {
      this.phase = Phase.finished;
      this.resumption = value;
    } else if (isCancelled(value) && this.isWithin(value)) {
      this.phase = Phase.cancelled;
      this.resumption = value;
    } else {
      this.phase = Phase.failed;
      this.resumption = realError(value, this.name);
      ended(value, this.name);
    }
    this.detach();
    this.run.hooks?.call("taskExited", this);
    const { listeners, home } = this;
    // One that is told may cancel another that waits (rivals of a race), which then takes itself off the list.
    if (listeners !== undefined) for (const listener of listeners) listener.taskExited(this);
    this.listeners = undefined;
    home.taskEnded(this);
  }
}

/** A cancellation from elsewhere is an error here: nobody around this place has asked for it. */
export function realError(error: unknown, place: string): unknown {
  return isCancelled(error)
    ? new TaskCancelled(
        `A cancellation of another scope came to ${place}: an operation or a task cancelled elsewhere was waited for here.`,
        error,
      )
    : error;
}

class Join extends Leaf<unknown> implements ExitListener {
  private readonly target: TaskStrand;
  private readonly wantsValue: boolean;

  constructor(target: TaskStrand, wantsValue: boolean) {
    super();
    this.target = target;
    this.wantsValue = wantsValue;
  }

  get label(): string {
    return `the end of task ${this.target.name}`;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { target } = this;
    if (target.hasEnded) return this.settle(strand);
    // Also in an async body, where each operation has a strand of its own: the body is not over before they are.
    if (target === strand.task)
      return this.refuse(strand, new UsageError("A task cannot wait for its own end."));
    target.onExit(this);
    return this.park(strand);
  }

  protected abort(_cancelled: Cancelled): boolean {
    this.target.offExit(this);
    return true;
  }

  taskExited(): void {
    const { target } = this;
    if (!this.wantsValue) this.resume(undefined);
    else if (target.phase === Phase.finished) this.resume(target.resumption);
    else this.fail(target.failure());
  }

  private settle(strand: Strand): IteratorResult<unknown, unknown> {
    const { target } = this;
    if (!this.wantsValue) return this.complete(strand, undefined);
    return target.phase === Phase.finished
      ? this.complete(strand, target.resumption)
      : this.refuse(strand, target.failure());
  }
}

/** The strand of generator code, or the async frame: what the running code belongs to. */
export function currentPlace(): { readonly task: TaskStrand; readonly run: Run; readonly node: CancelNode } {
  const strand = realm.current;
  if (strand !== undefined) return strand;
  const frame = openFrame();
  if (frame !== undefined) return { task: frame.task, run: frame.run, node: frame };
  throw new UsageError("There is no current task here. Call this from a body that a run is performing.");
}

/**
 * The task that is running this code.
 * @throws UsageError outside a task.
 */
export function currentTask(): Task<unknown> {
  return currentPlace().task;
}
