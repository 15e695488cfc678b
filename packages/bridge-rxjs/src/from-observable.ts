/** An observable as a stream. */
import { type BridgeReceiveStream, type BufferOptions, Inlet } from "@anyloop/bridge";
import { type Observable, Subject, takeUntil } from "rxjs";

class ObservableInlet<T> extends Inlet<T> {
  /** Ends the subscription, also from within the call that makes it: an observable may emit there and then. */
  private readonly left = new Subject<void>();

  constructor(observable: Observable<T>, options: BufferOptions | undefined) {
    super(options);
    observable.pipe(takeUntil(this.left)).subscribe({
      next: (item) => void this.push(item),
      error: (error: unknown) => this.fail(error),
      complete: () => this.end(),
    });
  }

  protected detach(): undefined {
    this.left.next();
  }
}

/**
 * Subscribes, and receives what is emitted. An observable cannot be held back: what nobody has received yet waits, see
 * `BufferOptions`. Its error breaks the stream, behind what waits. Close the stream to unsubscribe.
 *
 * ```ts
 * import { of } from "rxjs";
 * import { forEach, use } from "anyloop";
 * import { fromObservable } from "@anyloop/bridge-rxjs";
 *
 * await use(fromObservable(of("hello")), function* (stream) {
 *   yield* forEach(stream, (item) => console.log(item)); // hello
 * });
 * ```
 */
export function fromObservable<T>(
  observable: Observable<T>,
  options?: BufferOptions,
): BridgeReceiveStream<T> {
  return new ObservableInlet(observable, options);
}
