/** A web stream that we write. */
import { type BridgeSendStream, Outlet } from "@anyloop/bridge";

const ignore = (): void => {};

class WritableOutlet<T> extends Outlet<T> {
  private readonly writer: WritableStreamDefaultWriter<T>;
  private isReleased = false;
  private readonly onReady = (): void => this.roomAgain();
  private readonly onFailure = (error: unknown): void => {
    // In this order: whoever is told may go on before the call returns.
    this.release();
    this.breakOff(error);
  };

  constructor(writable: WritableStream<T>) {
    super();
    this.writer = writable.getWriter();
    this.writer.closed.then(ignore, this.onFailure);
  }

  protected write(item: T): void {
    // What becomes of it, `closed` tells.
    this.writer.write(item).catch(ignore);
  }

  protected override hasRoom(): boolean {
    // `null` once the stream has failed, of which `ready` knows more.
    return (this.writer.desiredSize ?? 0) > 0;
  }

  protected override awaitRoom(): void {
    this.writer.ready.then(this.onReady, this.onFailure);
  }

  protected finish(failure: { readonly error: unknown } | undefined): PromiseLike<unknown> {
    const end = failure === undefined ? this.writer.close() : this.writer.abort(failure.error);
    this.release();
    return end;
  }

  private release(): void {
    if (this.isReleased) return;
    this.isReleased = true;
    this.writer.releaseLock();
  }
}

/**
 * Sends into a web stream; waits while it has no room. Closing closes the web stream and waits until all is written.
 *
 * ```ts
 * import { use } from "anyloop";
 * import { toWritable } from "@anyloop/bridge-web";
 *
 * const sink = new WritableStream<string>({
 *   write(chunk) {
 *     console.log(chunk); // hello
 *   },
 * });
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
