/**
 * `group.completed()`: the children in the order in which they end.
 *
 * Invariant: each child that ends after the call is yielded once, kept until it is read; the stream ends when none can
 * come any more.
 */
import { ClosedResourceError, EndOfStream } from "./errors.ts";
import type { Strand } from "./strand.ts";
import { closing, ReceiveStreamBase } from "./streams.ts";
import type { Task } from "./task.ts";
import type { Operation } from "./types.ts";
import { Queued, WaitQueue } from "./wait-queue.ts";

/** What the stream asks its group. */
interface Source {
  readonly host: Strand;
  mayComplete(readerIsHost: boolean): boolean;
}

export class Completed extends ReceiveStreamBase<Task<unknown>> {
  readonly source: Source;
  readonly ended: Task<unknown>[] = [];
  readonly line = new WaitQueue<Take>();
  isClosed = false;

  constructor(source: Source) {
    super();
    this.source = source;
  }

  receive(): Operation<Task<unknown>> {
    return new Take(this);
  }

  close(): Operation<void> {
    return closing(() => {
      this.isClosed = true;
      this.line.failAll(() => new ClosedResourceError());
    });
  }

  push(task: Task<unknown>): void {
    if (this.isClosed) return;
    const reader = this.line.shift();
    if (reader === undefined) this.ended.push(task);
    else reader.resume(task);
  }

  /** Ends the readers for whom nothing can come any more. */
  checkEnd(): void {
    this.line.failWhere(
      (reader) => !this.source.mayComplete(reader.waiter === this.source.host.task),
      () => new EndOfStream("Every task of the group has ended."),
    );
  }
}

class Take extends Queued<Task<unknown>> {
  get label(): string {
    return "a task of the group to end";
  }

  private readonly stream: Completed;

  constructor(stream: Completed) {
    super(stream.line);
    this.stream = stream;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { stream } = this;
    if (stream.isClosed) return this.refuse(strand, new ClosedResourceError());
    const task = stream.ended.shift();
    if (task !== undefined) return this.complete(strand, task);
    if (stream.source.mayComplete(strand.task === stream.source.host.task)) return this.queueUp(strand);
    return this.refuse(strand, new EndOfStream("Every task of the group has ended."));
  }
}
