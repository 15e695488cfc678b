/**
 * The iteration that every stream of objects has: extend it, and write `receive` and `close`.
 *
 * Invariant: leaving a `for await` leaves the stream open, as everywhere in anyloop.
 */
import {
  type Coroutine,
  EndOfStream,
  type ObjectReceiveStream,
  type Operation,
  operation,
  perform,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";

const endIteration = operation(function* endIteration(): Coroutine<IteratorReturnResult<undefined>> {
  yield* checkpointIfCancelled();
  return { done: true, value: undefined };
});

export abstract class ObjectReceiver<T> implements ObjectReceiveStream<T> {
  abstract receive(): Operation<T>;
  abstract close(): Operation<void>;

  next(): Operation<IteratorResult<T, undefined>> {
    return perform(this, this.doNext);
  }

  /** Called by `break`. The stream stays open. */
  return(): Operation<IteratorReturnResult<undefined>> {
    return endIteration();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doNext(): Coroutine<IteratorResult<T, undefined>> {
    try {
      return { done: false, value: yield* this.receive() };
    } catch (error) {
      if (error instanceof EndOfStream) return { done: true, value: undefined };
      throw error;
    }
  }
}
