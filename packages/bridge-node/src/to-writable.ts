/** A Node stream that we write. */
import { finished, type Writable } from "node:stream";
import { type BridgeSendStream, Outlet } from "@anyloop/bridge";
import { destroyed } from "./end-of-stream.ts";

class WritableOutlet<T> extends Outlet<T> {
  private readonly writable: Writable;
  private readonly stopWatching: () => void;
  private readonly onDrain = (): void => this.roomAgain();

  constructor(writable: Writable) {
    super();
    this.writable = writable;
    writable.on("drain", this.onDrain);
    this.stopWatching = finished(writable, { readable: false }, (error) => {
      this.detach();
      this.breakOff(error ?? new Error("The stream was ended by somebody else."));
    });
  }

  protected write(item: T): void {
    this.writable.write(item);
  }

  protected override hasRoom(): boolean {
    // A stream that was destroyed would take items without a word, until it says so.
    return !this.writable.writableNeedDrain && !this.writable.destroyed;
  }

  protected finish(failure: { readonly error: unknown } | undefined): PromiseLike<unknown> | undefined {
    this.detach();
    // Destroyed by the other side, which was about to be told here.
    if (this.writable.destroyed) return undefined;
    if (failure === undefined) return ended(this.writable);
    destroyed(this.writable, failure.error);
    return undefined;
  }

  private detach(): void {
    this.writable.off("drain", this.onDrain);
    this.stopWatching();
  }
}

/** Ends the stream; settles once it has written everything. */
function ended(writable: Writable): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const stopWatching = finished(writable, { readable: false }, (error) => {
      stopWatching();
      if (error == null) resolve();
      else reject(error);
    });
    writable.end();
  });
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
