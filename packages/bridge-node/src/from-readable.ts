/** A Node stream that we read. */
import { finished, type Readable } from "node:stream";
import { type BridgeReceiveStream, Inlet, type Leaving } from "@anyloop/bridge";
import { ClosedResourceError } from "@anyloop/core";
import { closed, destroyed } from "./end-of-stream.ts";

class ReadableInlet<T> extends Inlet<T> {
  private readonly readable: Readable;
  private readonly stopWatching: () => void;
  private isWanted = false;
  private readonly onReadable = (): void => {
    // Nobody waits: what is there stays there, and holds the stream back.
    if (this.isWanted) this.pull();
  };

  constructor(readable: Readable) {
    super();
    this.readable = readable;
    readable.on("readable", this.onReadable);
    this.stopWatching = finished(readable, { writable: false }, (error) => {
      if (error == null) this.end();
      else this.fail(error);
    });
  }

  protected override pull(): void {
    const item = this.readable.read() as T | null;
    this.isWanted = item === null;
    if (item !== null) this.push(item);
  }

  protected detach(leaving: Leaving | undefined): PromiseLike<unknown> | undefined {
    const { readable } = this;
    readable.off("readable", this.onReadable);
    this.stopWatching();
    if (leaving === undefined) return undefined;
    const end = closed(readable);
    // Left in order, it is closed without an error, which nobody may be there to hear.
    if (leaving.reason instanceof ClosedResourceError) readable.destroy();
    else destroyed(readable, leaving.reason);
    return end;
  }
}

/**
 * Receives what a Node stream gives: its objects, or its chunks of bytes. Nothing is read ahead of the stream's own
 * buffer. Closing destroys the stream and waits until it has closed.
 *
 * ```ts
 * import { Readable } from "node:stream";
 * import { use } from "anyloop";
 * import { fromReadable } from "@anyloop/bridge-node";
 *
 * await use(fromReadable<string>(Readable.from(["hello", "world"])), function* (stream) {
 *   console.log(yield* stream.receive()); // hello
 * });
 * ```
 */
export function fromReadable<T>(readable: Readable): BridgeReceiveStream<T> {
  return new ReadableInlet<T>(readable);
}
