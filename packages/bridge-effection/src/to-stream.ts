/** Streams of ours, as theirs. */
import {
  type BridgeSendStream,
  failureOf,
  forward,
  Outlet,
  sendingEnd,
  UniversalQueue,
} from "@anyloop/bridge";
import { ClosedResourceError, type ObjectReceiveStream, type TaskGroup } from "@anyloop/core";
import { action, type Operation, resource, type Signal, type Stream, type Subscription } from "effection";

/** Items that wait between the two ends: enough that each side works for a while before the other has its turn. */
const between = 16;

class QueueSubscription<T> implements Subscription<T, void> {
  private readonly queue: UniversalQueue<T>;
  /** An item that came as whoever waited for it was halted: the next one's. */
  private readonly arrived: T[] = [];

  constructor(queue: UniversalQueue<T>) {
    this.queue = queue;
  }

  *next(): Operation<IteratorResult<T, void>> {
    const { arrived, queue } = this;
    if (arrived.length === 0) {
      if (queue.size > 0) return { done: false, value: queue.getNowait() };
      const isOver = yield* action<boolean>((resolve, reject) => this.wait(resolve, reject));
      if (isOver) return { done: true, value: undefined };
    }
    return { done: false, value: arrived.shift() as T };
  }

  private wait(resolve: (isOver: boolean) => void, reject: (error: Error) => void): () => void {
    const withdraw = this.queue.getWith({
      resume: (item) => {
        this.arrived.push(item);
        resolve(false);
      },
      fail(error) {
        const failure = failureOf(error);
        if (failure === undefined) resolve(true);
        else reject(failure.error as Error);
      },
    });
    return () => void withdraw();
  }
}

/**
 * What is sent into the first comes out of the second, a stream for effection. Each item goes to one subscription; when a
 * subscription's scope ends, the sender is broken.
 *
 * ```ts
 * import { each, run as runEffection } from "effection";
 * import { run } from "anyloop";
 * import { stream } from "@anyloop/bridge-effection";
 *
 * const [send, numbers] = stream<number>();
 * void run(function* () {
 *   yield* send.send(42);
 *   yield* send.close();
 * });
 * await runEffection(function* () {
 *   for (const number of yield* each(numbers)) {
 *     console.log(number); // 42
 *     yield* each.next();
 *   }
 * });
 * ```
 */
export function stream<T>(): [send: BridgeSendStream<T>, stream: Stream<T, void>] {
  const queue = new UniversalQueue<T>({ capacity: between, wake: "at-once" });
  const subscribed = resource<Subscription<T, void>>(function* (provide) {
    try {
      yield* provide(new QueueSubscription(queue));
    } finally {
      queue.close(new ClosedResourceError("The subscription's scope has ended."));
    }
  });
  return [sendingEnd(queue), subscribed];
}

/**
 * Gives a stream of ours to somebody who wants one of effection. What reads it is a task of the group, so theirs ends with
 * the group at the latest.
 */
export function toStream<T>(group: TaskGroup, from: ObjectReceiveStream<T>): Stream<T, void> {
  const [send, subscribed] = stream<T>();
  group.startSoon(forward(from, send));
  return subscribed;
}

class SignalOutlet<T> extends Outlet<T> {
  private readonly signal: Signal<T, void>;

  constructor(signal: Signal<T, void>) {
    super();
    this.signal = signal;
  }

  protected write(item: T): void {
    this.signal.send(item);
  }

  protected finish(): undefined {
    // A signal has an end and no failure.
    this.signal.close();
  }
}

/** Sends to everybody who is subscribed to a signal of effection's; closing closes it. A signal cannot hold us back. */
export function toSignal<T>(signal: Signal<T, void>): BridgeSendStream<T> {
  return new SignalOutlet(signal);
}
