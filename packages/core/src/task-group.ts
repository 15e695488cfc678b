/**
 * Task groups: nothing that a group started outlives it, and no error of it is dropped. anyio's and trio's nursery.
 *
 * Invariant: the group ends once its body and all children have ended; the first real error cancels the rest. A task
 * cannot end while a group it opened is open, because the group is a frame on the task's own stack.
 */
import { startable } from "./body.ts";
import { Completed } from "./completed.ts";
import {
  brief,
  type Cancelled,
  cancelledNode,
  isCancelled,
  TaskFailed,
  TaskGroupError,
  UsageError,
} from "./errors.ts";
import { OperationBase } from "./operation.ts";
import { realm } from "./realm.ts";
import { CancelScope } from "./scope.ts";
import { withoutCancellations } from "./sift.ts";
import { Start, type TaskStatus } from "./start.ts";
import { Frame, type Strand, type Waiting } from "./strand.ts";
import type { ReceiveStream } from "./streams.ts";
import { openFrame } from "./ambient.ts";
import { type Locals, nameGiven, Phase, realError, type Task, type TaskHome, TaskStrand } from "./task.ts";
import type { Body, Handler, NameOptions, Operation, Work } from "./types.ts";

export interface StartSoonOptions extends NameOptions {
  /** Does not hold the group open, and is cancelled once the others are done. */
  readonly daemon?: boolean | undefined;
}

export interface TaskGroup {
  /**
   * Starts a child, which takes its first step later. A daemon does not hold the group open: it is cancelled once the
   * others are done.
   * @throws UsageError once the group has ended or its body has failed.
   */
  startSoon<T>(work: Work<T>, options?: StartSoonOptions): Task<T>;
  /**
   * Starts a child and waits until it calls `status.started(value)`; gives that value. Until then the child runs under
   * the caller's scopes and its failure is the caller's alone.
   */
  start<R = void>(body: Handler<[status: TaskStatus<R>]>, options?: NameOptions): Operation<R>;
  /** Like `start`, and gives the task as well. */
  startTask<R = void>(
    body: Handler<[status: TaskStatus<R>]>,
    options?: NameOptions,
  ): Operation<{ task: Task<unknown>; value: R }>;
  /** The children that end from now on, in that order, each once. Ends when no child is left that could still come. */
  completed(): ReceiveStream<Task<unknown>>;
  /** Cancels the body and all children. */
  cancel(reason?: unknown): void;
  readonly scope: CancelScope;
  /** The children that have not ended yet. */
  readonly tasks: ReadonlySet<Task<unknown>>;
}

export interface TaskGroupOptions extends NameOptions {
  /** Wraps a single error in a TaskGroupError as well. */
  readonly strict?: boolean | undefined;
}

/**
 * Runs a body that may start tasks, and waits for all of them. If the body or a child fails the others are cancelled,
 * and the group throws: one error as itself, several as a `TaskGroupError`.
 *
 * ```ts
 * await taskGroup(function* (group) {
 *   group.startSoon(sleep(2));
 *   group.startSoon(async () => {
 *     await sleep(1);
 *   });
 * });
 * ```
 *
 * Cancelled by hand or by the deadline of its own scope, the group ends without an error and gives what the body gave,
 * undefined if the body did not come that far.
 */
export function taskGroup<T>(
  body: Body<T, [group: TaskGroup]>,
  options: TaskGroupOptions = {},
): Operation<T> {
  return new GroupOperation<T>(body, options);
}

class GroupOperation<T> extends OperationBase<T> {
  get label(): string {
    return "a task group";
  }

  private readonly body: Body<T, [group: TaskGroup]>;
  private readonly options: TaskGroupOptions;

  constructor(body: Body<T, [group: TaskGroup]>, options: TaskGroupOptions) {
    super();
    this.body = body;
    this.options = options;
  }

  protected perform(strand: Strand): IteratorResult<unknown, unknown> {
    const args: unknown[] = [];
    // What is no work is refused before the group has opened its scope on the strand.
    const work = startable(this.body, args);
    const group = new Group(strand, this.options);
    args.push(group);
    this.active = true;
    return strand.push(new GroupFrame(group), work);
  }
}

const daemonReason = "the tasks that the group was for are done";

/** Below the body on the host's stack. Left twice: when the body has ended, and when the last child has. */
class GroupFrame extends Frame {
  get label(): string {
    return "a task group";
  }

  private readonly group: Group;

  constructor(group: Group) {
    super();
    this.group = group;
  }

  leave(strand: Strand, failed: boolean, value: unknown): boolean {
    const { group } = this;
    if (!group.bodyEnded) {
      // Also where nothing runs any more: the end of a group gives the others a turn, as in anyio.
      strand.waitIn(this, group);
      group.endBody(failed, value);
      return false;
    }
    // Somebody may have started a task after the last one ended and before the host had its turn.
    return group.isEmpty ? group.close() : strand.waitIn(this, group);
  }
}

export class Group implements TaskGroup, TaskHome, Waiting {
  get label(): string {
    return "its children";
  }

  readonly scope: CancelScope;
  readonly host: Strand;
  bodyEnded = false;
  private readonly strict: boolean;
  /** Children and pending starts that hold the group open. */
  private holding = 0;
  private daemons: Set<TaskStrand> | undefined = undefined;
  private daemonsTold = false;
  private bodyFailed = false;
  private closed = false;
  private value: unknown = undefined;
  /** In order of occurrence. */
  private errors: Set<unknown> | undefined = undefined;
  /** A cancellation from around the group that ended the body or a child. */
  private passing: Cancelled | undefined = undefined;
  /** The group's own cancellation, once it has ended the body or a child. */
  private own: Cancelled | undefined = undefined;
  private readers: Completed[] | undefined = undefined;

  constructor(host: Strand, options: TaskGroupOptions) {
    this.host = host;
    this.strict = options.strict === true;
    this.scope = new CancelScope({ name: options.name ?? "task group" });
    this.scope.enter(host);
  }

  startSoon<T>(work: Work<T>, options?: StartSoonOptions): Task<T> {
    this.assertOpen();
    const { run } = this.host;
    const begins = startable(work);
    const task = new TaskStrand(run, begins, this, nameGiven(options), this.localsOfCaller(), this.scope);
    return this.adopt(task, options?.daemon === true) as unknown as Task<T>;
  }

  /** @internal Starts a child that was made for this group. */
  adopt(task: TaskStrand, isDaemon: boolean): TaskStrand {
    if (isDaemon) {
      (this.daemons ??= new Set()).add(task);
      if (this.daemonsTold) task.cancel(daemonReason);
    } else {
      this.holding++;
    }
    return task.launch();
  }

  start<R = void>(body: Handler<[status: TaskStatus<R>]>, options?: NameOptions): Operation<R> {
    return new Start(this, body, options, false) as unknown as Operation<R>;
  }

  startTask<R = void>(
    body: Handler<[status: TaskStatus<R>]>,
    options?: NameOptions,
  ): Operation<{ task: Task<unknown>; value: R }> {
    return new Start(this, body, options, true) as unknown as Operation<{
      task: Task<unknown>;
      value: R;
    }>;
  }

  completed(): ReceiveStream<Task<unknown>> {
    const reader = new Completed(this);
    (this.readers ??= []).push(reader);
    return reader;
  }

  cancel(reason?: unknown): void {
    this.scope.cancel(reason);
  }

  get tasks(): ReadonlySet<Task<unknown>> {
    const tasks = new Set<Task<unknown>>();
    for (const node of this.scope.members())
      if (node instanceof TaskStrand && node.home === this) tasks.add(node);
    return tasks;
  }

  get hostTask(): TaskStrand {
    return this.host.task;
  }

  /** Whether nothing runs any more that the group waits for. */
  get isEmpty(): boolean {
    return this.holding === 0 && (this.daemons === undefined || this.daemons.size === 0);
  }

  /** Whether a child may still end that a reader of `completed()` would want. */
  mayComplete(readerIsHost: boolean): boolean {
    return this.holding > 0 || !(readerIsHost || this.bodyEnded);
  }

  assertOpen(): void {
    if (this.closed)
      throw new UsageError("This task group has ended. Start tasks while its body or a child still runs.");
    if (this.bodyFailed)
      throw new UsageError("The body of this task group has failed: nothing more can be started.");
  }

  localsOfCaller(): Locals | undefined {
    const { host } = this;
    const caller = realm.current?.task ?? openFrame()?.task;
    return (caller?.run === host.run ? caller : host.task).locals;
  }

  /** A pending start holds the group open, as a child does. */
  startPending(): void {
    this.holding++;
  }

  startFailed(): void {
    this.holding--;
    this.settle();
  }

  taskEnded(task: TaskStrand): void {
    if (this.daemons?.delete(task) !== true) this.holding--;
    if (task.phase === Phase.failed) this.fail(task.error);
    else if (task.phase === Phase.cancelled) this.noteCancelled(task.error as Cancelled, task);
    if (this.readers !== undefined) for (const reader of this.readers) reader.push(task);
    this.settle();
  }

  endBody(failed: boolean, result: unknown): void {
    this.bodyEnded = true;
    const value = failed ? withoutCancellations(result, this.scope) : result;
    if (!failed) {
      this.value = value;
    } else if (isCancelled(value) && this.scope.isWithin(value)) {
      this.noteCancelled(value, undefined);
      // Its own cancellation tells the children anyway; one from around may have been swallowed by a child before.
      this.scope.cancel(value.reason);
    } else {
      this.bodyFailed = true;
      this.fail(realError(value, this.scope.name));
    }
    this.settle();
  }

  /** Everything has ended: takes the scope off the host and says how the group ended. */
  close(): true {
    const { host, scope } = this;
    this.closed = true;
    scope.unlink(host);
    if (this.errors !== undefined) {
      const errors = [...this.errors];
      return host.outcome(true, errors.length === 1 && !this.strict ? errors[0] : new TaskGroupError(errors));
    }
    // Cancelled around the group as well by now, the code after it is not to run: that cancellation goes on instead.
    if (this.own !== undefined && !scope.takesOut(this.own)) this.passing ??= scope.pending;
    return this.passing === undefined ? host.outcome(false, this.value) : host.outcome(true, this.passing);
  }

  interrupt(): void {
    // The children see the cancellation themselves; the group goes on waiting for them.
  }

  private fail(error: unknown): void {
    if (!this.isCounted(error)) (this.errors ??= new Set()).add(error);
    this.scope.cancel(`a task of the group failed: ${brief(error)}`);
  }

  /** Once by identity; the echo that a joiner throws is not another error. */
  private isCounted(error: unknown): boolean {
    for (let cause = error; ; cause = cause.cause) {
      if (this.errors?.has(cause) === true) return true;
      if (!(cause instanceof TaskFailed)) return false;
    }
  }

  private noteCancelled(cancelled: Cancelled, task: TaskStrand | undefined): void {
    const node = cancelledNode(cancelled);
    if (node === this.scope) this.own = cancelled;
    else if (node !== task) this.passing ??= cancelled;
  }

  private settle(): void {
    if (this.readers !== undefined) for (const reader of this.readers) reader.checkEnd();
    if (!this.bodyEnded || this.holding > 0) return;
    if (this.isEmpty) {
      if (this.host.waiting === this) this.host.wake(false, undefined);
    } else if (!this.daemonsTold) {
      this.daemonsTold = true;
      for (const task of this.daemons ?? []) task.cancel(daemonReason);
    }
  }
}
