/**
 * Tasks: what a group started, as a strand of its own and as the handle that users hold.
 *
 * Invariant: a task ends exactly once, as finished, failed or cancelled; those who wait for it are told first, its home
 * (the group, the pending start, the run) after them, so that a group learns of an error before of its echo in a joiner.
 */
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
import { type Startable, Strand } from "./strand.ts";
import { ended } from "./trace.ts";
import type { Operation } from "./types.ts";

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

export class TaskStrand extends Strand implements Task<unknown> {
  readonly id: number;
  home: TaskHome;
  locals: Locals | undefined;
  private phase: "pending" | "running" | "finished" | "failed" | "cancelled" = "pending";
  private readonly givenName: string;
  private listeners: Set<ExitListener> | undefined = undefined;

  /** `under` is the node the task runs under; undefined for the main task. */
  constructor(
    run: Run,
    work: Startable,
    home: TaskHome,
    name: string | undefined,
    locals: Locals | undefined,
    under: CancelNode | undefined,
  ) {
    super(run, work);
    this.id = ++run.lastTaskId;
    this.home = home;
    this.locals = locals;
    this.givenName = name ?? work.label;
    run.contexts?.capture(this);
    if (under !== undefined) this.attach(under);
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
    return this.givenName === "" ? `task ${this.id}` : this.givenName;
  }

  get parent(): TaskStrand | undefined {
    return this.home.hostTask;
  }

  get hasEnded(): boolean {
    return this.phase !== "pending" && this.phase !== "running";
  }

  get status(): TaskState {
    return !this.hasEnded && this.pending !== undefined ? "cancelling" : this.phase;
  }

  get value(): unknown {
    if (this.phase === "finished") return this.resumption;
    throw this.failure();
  }

  get error(): unknown {
    if (!this.hasEnded) throw new TaskNotFinished(this.name);
    return this.phase === "finished" ? undefined : this.resumption;
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
    if (this.phase === "failed") return new TaskFailed(this.name, this.resumption);
    if (this.phase === "cancelled") {
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

  override step(): void {
    if (this.phase === "pending") this.phase = "running";
    const { contexts } = this.run;
    if (contexts === undefined) super.step();
    else contexts.enter(this, () => super.step());
  }

  protected end(failed: boolean, value: unknown): void {
    this.phase = failed ? (isCancelled(value) && this.isWithin(value) ? "cancelled" : "failed") : "finished";
    this.resumption = this.phase === "failed" ? realError(value, this.name) : value;
    if (this.phase === "failed") ended(value, this.name);
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
    if (target === strand) return this.refuse(strand, new UsageError("A task cannot wait for its own end."));
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
    else if (target.status === "finished") this.resume(target.value);
    else this.fail(target.failure());
  }

  private settle(strand: Strand): IteratorResult<unknown, unknown> {
    const { target } = this;
    if (!this.wantsValue) return this.complete(strand, undefined);
    return target.status === "finished"
      ? this.complete(strand, target.value)
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
