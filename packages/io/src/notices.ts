/**
 * Streams of what the system tells: signals that came, files that changed.
 *
 * Invariant: a notice that nobody has received yet is kept once, however often it came again meanwhile; so the memory is
 * bounded by how many different ones there are, and none is lost.
 */
import {
  BrokenResourceError,
  ClosedResourceError,
  type Coroutine,
  type Operation,
  perform,
  shield,
} from "@anyloop/core";
import { checkpointIfCancelled, ReceiveStreamBase } from "@anyloop/core/lowlevel";
import { Change } from "./change.ts";

export abstract class Notices<T> extends ReceiveStreamBase<T> {
  /** By what makes two of them the same. */
  protected readonly pending = new Map<string, T>();
  protected readonly change = new Change();
  private isClosed = false;
  private failure: { readonly error: unknown } | undefined = undefined;

  /** Lets go of what the notices come from. Not cancelled. */
  protected abstract release(): Coroutine<void>;

  /** The oldest notice that was not received. @throws ClosedResourceError, BrokenResourceError. */
  receive(): Operation<T> {
    return perform(this, this.doReceive);
  }

  /** Lets go of the source. Closing again does nothing. */
  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  protected note(key: string, notice: T): void {
    if (this.pending.has(key)) return;
    this.pending.set(key, notice);
    this.change.happened();
  }

  /** The source has failed: told once what had come is received. */
  protected fail(error: unknown): void {
    this.failure ??= { error };
    this.change.happened();
  }

  protected *waitForMore(): Coroutine<void> {
    yield* this.change.next();
  }

  private *doReceive(): Coroutine<T> {
    yield* checkpointIfCancelled();
    for (;;) {
      if (this.isClosed) throw new ClosedResourceError();
      for (const [key, notice] of this.pending) {
        this.pending.delete(key);
        return notice;
      }
      if (this.failure !== undefined) {
        throw new BrokenResourceError("What was watched is gone, or cannot be watched any more.", {
          cause: this.failure.error,
        });
      }
      yield* this.waitForMore();
    }
  }

  private *doClose(): Coroutine<void> {
    if (!this.isClosed) {
      this.isClosed = true;
      this.change.happened();
      yield* shield(perform(this, this.release));
    }
    yield* checkpointIfCancelled();
  }
}
