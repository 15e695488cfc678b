/** A web stream that we read. */
import { type BridgeReceiveStream, Inlet, type Leaving } from "@anyloop/bridge";

class ReadableInlet<T> extends Inlet<T> {
  private readonly reader: ReadableStreamDefaultReader<T>;
  private readonly onRead = (result: ReadableStreamReadResult<T>): void => {
    if (result.done) this.end();
    else this.push(result.value);
  };
  private readonly onFailure = (error: unknown): void => this.fail(error);

  constructor(readable: ReadableStream<T>) {
    super();
    this.reader = readable.getReader();
  }

  protected override pull(): void {
    // A read that nobody waits for any more is not lost: its item waits in the inlet.
    this.reader.read().then(this.onRead, this.onFailure);
  }

  protected detach(leaving: Leaving | undefined): PromiseLike<unknown> | undefined {
    const end = leaving === undefined ? undefined : this.reader.cancel(leaving.reason);
    this.reader.releaseLock();
    return end;
  }
}

/**
 * Receives what a web stream gives, one read at a time and only while somebody receives. Closing cancels the web stream
 * and waits until its source has stopped.
 *
 * ```ts
 * import { forEach, use } from "anyloop";
 * import { fromReadable } from "@anyloop/bridge-web";
 *
 * const { body } = new Response("hello");
 * await use(fromReadable((body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())), function* (text) {
 *   yield* forEach(text, (chunk) => console.log(chunk)); // hello
 * });
 * ```
 *
 * @throws TypeError if somebody else reads it.
 */
export function fromReadable<T>(readable: ReadableStream<T>): BridgeReceiveStream<T> {
  return new ReadableInlet(readable);
}
