/** An observer that we send to: a `Subject`, as a rule. */
import { type BridgeSendStream, Outlet } from "@anyloop/bridge";
import type { Observer } from "rxjs";

class ObserverOutlet<T> extends Outlet<T> {
  private readonly observer: Observer<T>;

  constructor(observer: Observer<T>) {
    super();
    this.observer = observer;
  }

  protected write(item: T): void {
    this.observer.next(item);
  }

  protected finish(failure: { readonly error: unknown } | undefined): undefined {
    if (failure === undefined) this.observer.complete();
    else this.observer.error(failure.error);
  }
}

/**
 * Calls `next` with what is sent; everybody who subscribed has dealt with it when the send is over. Closing completes,
 * `fail` is its error.
 *
 * ```ts
 * import { Subject } from "rxjs";
 * import { run } from "anyloop";
 * import { toObserver } from "@anyloop/bridge-rxjs";
 *
 * const subject = new Subject<string>();
 * subject.subscribe((item) => console.log(item)); // hello
 * await run(toObserver(subject).send("hello"));
 * ```
 */
export function toObserver<T>(observer: Observer<T>): BridgeSendStream<T> {
  return new ObserverOutlet(observer);
}
