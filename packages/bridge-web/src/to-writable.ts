/**
 * A web stream that we write.
 *
 * Invariant: an item is written only when there is room for it, in the step that sends it: what was written cannot be
 * taken back, so a send that waits has put nothing.
 */
import type { BridgeSendStream } from "@anyloop/bridge";
import {
  BrokenResourceError,
  ClosedResourceError,
  type Coroutine,
  fromPromise,
  isCancelled,
  type Operation,
  perform,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";

const ignore = (): void => {};

class WritableOutlet<T> implements BridgeSendStream<T> {
  private readonly writer: WritableStreamDefaultWriter<T>;
  private isClosed = false;
  private ending: Promise<void> | undefined = undefined;
  private broken: { readonly cause: unknown } | undefined = undefined;

  constructor(writable: WritableStream<T>) {
    this.writer = writable.getWriter();
    this.writer.closed.catch((error: unknown) => this.breakOff(error));
  }

  send(item: T): Operation<void> {
    return perform<this, [T], void>(this, this.doSend, item);
  }

  /** Closes at once, cancelled or not; then waits until everything is written. @throws BrokenResourceError. */
  close(): Operation<void> {
    return perform<this, [], void>(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  fail(error: unknown): void {
    this.leave(() => this.writer.abort(error));
  }

  private *doSend(item: T): Coroutine<void> {
    yield* checkpointIfCancelled();
    while (this.isFull()) {
      try {
        yield* fromPromise(this.writer.ready);
      } catch (error) {
        if (isCancelled(error)) throw error;
        this.breakOff(error);
      }
    }
    this.writer.write(item).catch(ignore);
  }

  /** Whether there is no room for an item. @throws if there will not be any. */
  private isFull(): boolean {
    if (this.isClosed) throw new ClosedResourceError();
    if (this.broken !== undefined) throw new BrokenResourceError(undefined, this.broken);
    // `null` once the stream has failed, of which `ready` knows more.
    return (this.writer.desiredSize ?? 0) <= 0;
  }

  private breakOff(cause: unknown): void {
    if (this.isClosed || this.broken !== undefined) return;
    this.broken = { cause };
    this.writer.releaseLock();
  }

  /** Leaves the stream by `close` or `abort`, once. */
  private leave(tell: () => Promise<void>): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.broken !== undefined) return;
    this.ending = tell();
    // Whoever closes is told; nobody may.
    this.ending.catch(ignore);
    this.writer.releaseLock();
  }

  private *doClose(): Coroutine<void> {
    this.leave(() => this.writer.close());
    if (this.ending === undefined) {
      yield* checkpointIfCancelled();
      return;
    }
    try {
      yield* fromPromise(this.ending);
    } catch (error) {
      throw isCancelled(error) ? error : new BrokenResourceError(undefined, { cause: error });
    }
  }
}

/**
 * Sends into a web stream; waits while it has no room. Closing closes the web stream and waits until all is written.
 *
 * ```ts
 * import { use } from "anyloop";
 * import { toWritable } from "@anyloop/bridge-web";
 *
 * const sink = new WritableStream<string>({ write: (chunk) => console.log(chunk) });
 * await use(toWritable(sink), function* (send) {
 *   yield* send.send("hello");
 * });
 * ```
 *
 * @throws TypeError if somebody else writes it.
 */
export function toWritable<T>(writable: WritableStream<T>): BridgeSendStream<T> {
  return new WritableOutlet(writable);
}
