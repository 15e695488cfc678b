/** The iteration that every receiving end has. */
import {
  type Coroutine,
  EndOfStream,
  type ObjectReceiveStream,
  type Operation,
  perform,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";

export abstract class Receiving<T> implements ObjectReceiveStream<T> {
  abstract receive(): Operation<T>;
  abstract close(): Operation<void>;

  next(): Operation<IteratorResult<T, undefined>> {
    return perform(this, this.doNext);
  }

  return(): Operation<IteratorReturnResult<undefined>> {
    return perform(this, this.doReturn);
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

  private *doReturn(): Coroutine<IteratorReturnResult<undefined>> {
    yield* checkpointIfCancelled();
    return { done: true, value: undefined };
  }
}
