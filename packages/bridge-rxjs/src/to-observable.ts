/** A stream as an observable. */
import {
  type BridgeSendStream,
  failureOf,
  forward,
  sendingEnd,
  UniversalQueue,
  type Withdraw,
} from "@anyloop/bridge";
import { ClosedResourceError, type ObjectReceiveStream, type TaskGroup } from "@anyloop/core";
import type { Waiter } from "@anyloop/core/lowlevel";
import { Observable, type Subscriber } from "rxjs";

/** Items that wait until somebody subscribes: enough that the sender works for a while before it has to wait. */
const beforeSubscribed = 16;

/** Hands on what comes out of a queue, as it comes. */
class Emission<T> implements Waiter<T> {
  private readonly queue: UniversalQueue<T>;
  private readonly subscriber: Subscriber<T>;
  private withdraw: Withdraw | undefined = undefined;

  constructor(queue: UniversalQueue<T>, subscriber: Subscriber<T>) {
    this.queue = queue;
    this.subscriber = subscriber;
  }

  /** Everything that is there, and then whatever comes. */
  emit(): void {
    const { queue, subscriber } = this;
    while (queue.size > 0 && !subscriber.closed) subscriber.next(queue.getNowait());
    if (!subscriber.closed) this.withdraw = queue.getWith(this);
  }

  resume(item: T): void {
    this.subscriber.next(item);
    this.emit();
  }

  fail(error: unknown): void {
    const failure = failureOf(error);
    if (failure === undefined) this.subscriber.complete();
    else this.subscriber.error(failure.error);
  }

  stop(): void {
    this.withdraw?.();
    this.queue.close(new ClosedResourceError("The observable was unsubscribed from."));
  }
}

/**
 * What is sent into the first comes out of the second, from when somebody subscribes: until then the sender waits once a
 * few items are on the way. Each item goes to one subscriber; `share()` it for several. Unsubscribing breaks the sender.
 *
 * ```ts
 * import { map } from "rxjs";
 * import { run } from "anyloop";
 * import { observable } from "@anyloop/bridge-rxjs";
 *
 * const [send, numbers] = observable<number>();
 * numbers.pipe(map((number) => number * 2)).subscribe((number) => console.log(number)); // 42
 * await run(function* () {
 *   yield* send.send(21);
 *   yield* send.close();
 * });
 * ```
 */
export function observable<T>(): [send: BridgeSendStream<T>, observable: Observable<T>] {
  const queue = new UniversalQueue<T>({ capacity: beforeSubscribed, wake: "at-once" });
  const emitted = new Observable<T>((subscriber) => {
    const emission = new Emission(queue, subscriber);
    subscriber.add(() => emission.stop());
    emission.emit();
  });
  return [sendingEnd(queue), emitted];
}

/**
 * Gives a stream of ours to somebody who wants an observable. What reads it is a task of the group, so the observable
 * ends with the group at the latest.
 */
export function toObservable<T>(group: TaskGroup, stream: ObjectReceiveStream<T>): Observable<T> {
  const [send, emitted] = observable<T>();
  group.startSoon(forward(stream, send));
  return emitted;
}
