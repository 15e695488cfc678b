/** Async iterables: theirs as a stream, and ours for code that no run is around. */
import {
  type BridgeReceiveStream,
  type BridgeSendStream,
  failureOf,
  Inlet,
  type Leaving,
  sendingEnd,
  UniversalQueue,
} from "@anyloop/bridge";
import { ClosedResourceError } from "@anyloop/core";

const ignore = (): void => {};

class IterableInlet<T> extends Inlet<T> {
  private readonly iterator: AsyncIterator<T>;
  private readonly onNext = (result: IteratorResult<T>): void => {
    if (result.done === true) this.end();
    else this.push(result.value);
  };
  private readonly onFailure = (error: unknown): void => this.fail(error);

  constructor(iterable: AsyncIterable<T>) {
    super();
    this.iterator = iterable[Symbol.asyncIterator]();
  }

  protected override pull(): void {
    try {
      this.iterator.next().then(this.onNext, this.onFailure);
    } catch (error) {
      this.fail(error);
    }
  }

  protected detach(leaving: Leaving | undefined): PromiseLike<unknown> | undefined {
    if (leaving === undefined) return undefined;
    const end = this.leaveIterator();
    if (!leaving.isPulling) return end;
    // It hears of it only once it gives the item that it owes, which may be never.
    end.catch(ignore);
    return undefined;
  }

  /** Not all of them are generators: one written by hand may throw where it should reject. */
  private async leaveIterator(): Promise<void> {
    await this.iterator.return?.();
  }
}

/**
 * Receives what an async iterable gives, an item at a time and only while somebody receives. Closing calls `return` and
 * waits for it, so that the `finally` blocks of an async generator have run; but not where the iterable still owes an
 * item: it cannot be interrupted there.
 *
 * ```ts
 * import { forEach, use } from "anyloop";
 * import { fromAsyncIterable } from "@anyloop/bridge-web";
 *
 * async function* greetings(): AsyncGenerator<string> {
 *   yield "hello";
 *   yield "world";
 * }
 * await use(fromAsyncIterable(greetings()), function* (stream) {
 *   console.log(yield* stream.receive()); // hello
 * });
 * ```
 */
export function fromAsyncIterable<T>(iterable: AsyncIterable<T>): BridgeReceiveStream<T> {
  return new IterableInlet(iterable);
}

class QueueIterator<T> implements AsyncIterableIterator<T, undefined> {
  private readonly queue: UniversalQueue<T>;

  constructor(queue: UniversalQueue<T>) {
    this.queue = queue;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      this.queue.getWith({
        resume: (value) => resolve({ done: false, value }),
        fail(error) {
          const failure = error instanceof ClosedResourceError ? undefined : failureOf(error);
          if (failure === undefined) resolve({ done: true, value: undefined });
          else reject(failure.error);
        },
      });
    });
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.queue.close(new ClosedResourceError("The loop over the items was left."));
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error: unknown): Promise<IteratorReturnResult<undefined>> {
    this.queue.close(error);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/**
 * What is sent into the first comes out of the second, in plain async code. (A receive stream is an async iterable
 * already, for async code inside a run.) Leaving the loop breaks the sending end.
 *
 * ```ts
 * import { run } from "anyloop";
 * import { asyncIterable } from "@anyloop/bridge-web";
 *
 * const [send, items] = asyncIterable<number>();
 * void run(function* () {
 *   yield* send.send(1);
 *   yield* send.close();
 * });
 * for await (const item of items) console.log(item); // 1
 * ```
 */
export function asyncIterable<T>(): [send: BridgeSendStream<T>, items: AsyncIterableIterator<T, undefined>] {
  const queue = new UniversalQueue<T>({ capacity: 1, wake: "at-once" });
  return [sendingEnd(queue), new QueueIterator(queue)];
}
