/**
 * A Node stream that we write.
 *
 * Invariant: an item is written only when there is room for it, in the step that sends it: what was written cannot be
 * taken back, so a send that waits has put nothing.
 */
import { finished, type Writable } from "node:stream";
import { type BridgeSendStream, UniversalEvent } from "@anyloop/bridge";
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
import { destroyed } from "./end-of-stream.ts";

class WritableOutlet<T> implements BridgeSendStream<T> {
  private readonly writable: Writable;
  private isClosed = false;
  private broken: { readonly cause: unknown } | undefined = undefined;
  private ending: Promise<void> | undefined = undefined;
  /** Set when there is room again, or will not be any. */
  private room = new UniversalEvent();
  private readonly stopWatching: () => void;
  private readonly onDrain = (): void => {
    this.room.set();
    this.room = new UniversalEvent();
  };

  constructor(writable: Writable) {
    this.writable = writable;
    writable.on("drain", this.onDrain);
    this.stopWatching = finished(writable, { readable: false }, (error) => {
      this.broken = { cause: error ?? new Error("The stream was ended by somebody else.") };
      this.detach();
    });
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
    if (this.leave()) destroyed(this.writable, error);
  }

  private *doSend(item: T): Coroutine<void> {
    yield* checkpointIfCancelled();
    while (this.isFull()) yield* this.room.wait();
    this.writable.write(item);
  }

  /** Whether there is no room for an item. @throws if there will not be any. */
  private isFull(): boolean {
    if (this.isClosed) throw new ClosedResourceError();
    if (this.broken !== undefined) throw new BrokenResourceError(undefined, this.broken);
    return this.writable.writableNeedDrain;
  }

  private detach(): void {
    this.writable.off("drain", this.onDrain);
    this.stopWatching();
    this.room.set();
  }

  /** False if there is nothing left to leave. */
  private leave(): boolean {
    if (this.isClosed) return false;
    this.isClosed = true;
    if (this.broken !== undefined) return false;
    this.detach();
    return true;
  }

  private *doClose(): Coroutine<void> {
    if (this.leave()) this.ending = ended(this.writable);
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

/** Ends the stream; settles once it has written everything. */
function ended(writable: Writable): Promise<void> {
  const end = new Promise<void>((resolve, reject) => {
    finished(writable, { readable: false, cleanup: true }, (error) => {
      if (error == null) resolve();
      else reject(error);
    });
    writable.end();
  });
  // Whoever closes is told; nobody may.
  end.catch(() => {});
  return end;
}

/**
 * Sends into a Node stream; waits while it has no room. Closing ends the stream and waits until all is written.
 *
 * ```ts
 * import { Writable } from "node:stream";
 * import { use } from "anyloop";
 * import { toWritable } from "@anyloop/bridge-node";
 *
 * const sink = new Writable({
 *   write(chunk, _encoding, done) {
 *     console.log(String(chunk)); // hello
 *     done();
 *   },
 * });
 * await use(toWritable<string>(sink), function* (send) {
 *   yield* send.send("hello");
 * });
 * ```
 */
export function toWritable<T>(writable: Writable): BridgeSendStream<T> {
  return new WritableOutlet<T>(writable);
}
