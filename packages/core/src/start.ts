/**
 * `start`: a child that says when it is ready. trio's `nursery.start`.
 *
 * Invariant: until `started()` the child stands under the caller's scope and belongs to the caller; in one step it moves
 * under the group's. It is always in exactly one place of the cancel tree, so no cancellation can miss it.
 */
import { startable } from "./body.ts";
import { type Cancelled, isCancelled, TaskCancelled, UsageError } from "./errors.ts";
import { Leaf } from "./leaf.ts";
import type { Strand } from "./strand.ts";
import type { Group } from "./task-group.ts";
import { nameGiven, type Task, type TaskHome, TaskStrand } from "./task.ts";
import type { Handler, NameOptions } from "./types.ts";

/** Given to the body of a child that was started with `start`. */
export interface TaskStatus<in R> {
  /** The child is ready: `start` gives the value, and from here on the child belongs to the group. @throws UsageError the second time. */
  started(value: R): void;
  readonly task: Task<unknown>;
}

export class Start extends Leaf<unknown> {
  get label(): string {
    return "a task to say that it has started";
  }

  private readonly group: Group;
  private readonly body: Handler<[status: TaskStatus<unknown>]>;
  private readonly options: NameOptions | undefined;
  private readonly withTask: boolean;

  constructor(
    group: Group,
    body: Handler<[status: TaskStatus<unknown>]>,
    options: NameOptions | undefined,
    withTask: boolean,
  ) {
    super();
    this.group = group;
    this.body = body;
    this.options = options;
    this.withTask = withTask;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const pending = new PendingStart(this.group, strand, this);
    try {
      pending.launch(this.body, this.options);
    } catch (error) {
      return this.refuse(strand, error);
    }
    return this.park(strand);
  }

  protected abort(_cancelled: Cancelled): boolean {
    // The child stands under the same scopes: it is told, and its end is awaited.
    return false;
  }

  isStarted(task: TaskStrand, value: unknown): void {
    this.resume(this.withTask ? { task, value } : value);
  }
}

class PendingStart implements TaskHome, TaskStatus<unknown> {
  private readonly group: Group;
  private readonly caller: Strand;
  private readonly start: Start;
  private child: TaskStrand | undefined = undefined;
  private wasCalled = false;

  constructor(group: Group, caller: Strand, start: Start) {
    this.group = group;
    this.caller = caller;
    this.start = start;
  }

  launch(body: Handler<[status: TaskStatus<unknown>]>, options: NameOptions | undefined): void {
    const { caller, group } = this;
    group.assertOpen();
    const work = startable(body, [this]);
    group.startPending();
    const { run } = group.host;
    const { locals } = caller.task;
    this.child = new TaskStrand(run, work, this, nameGiven(options), locals, caller.node).launch();
  }

  get hostTask(): TaskStrand {
    return this.caller.task;
  }

  get task(): TaskStrand {
    return this.child as TaskStrand;
  }

  started(value: unknown): void {
    const { caller, group, task } = this;
    if (this.wasCalled)
      throw new UsageError("started() was called before. Call it once, when the task is ready.");
    if (task.hasEnded) throw new UsageError("started() was called after the task had ended.");
    this.wasCalled = true;
    // Cancelled where it stands: it must not get away from that by moving.
    if (caller.node.pending !== undefined || task.own !== undefined) return;
    task.home = group;
    task.moveTo(group.scope);
    this.start.isStarted(task, value);
  }

  taskEnded(task: TaskStrand): void {
    const { caller, start } = this;
    const { error } = task;
    if (task.status === "failed") {
      start.fail(error);
    } else if (isCancelled(error)) {
      start.fail(
        caller.node.isWithin(error)
          ? error
          : new TaskCancelled(`The task ${task.name} was cancelled before it had started.`, error),
      );
    } else {
      start.fail(
        caller.node.pending ??
          new UsageError(
            `The task ${task.name} ended without calling started(). Call status.started() when it is ready.`,
          ),
      );
    }
    this.group.startFailed();
  }
}
