/** Their streams, as streams of ours. */
import { type BridgeReceiveStream, Inlet, type Leaving } from "@anyloop/bridge";
import { TaskCancelled } from "@anyloop/core";
import { action, global as globalScope, type Operation, type Scope, type Stream } from "effection";
import { type Outcome, Performing } from "./performing.ts";

/** Items that their task may be ahead of the receiver: waking it for each of them would cost more than the item. */
const ahead = 16;

class StreamInlet<T> extends Inlet<T> {
  private readonly performing: Performing<void>;
  /** Lets their task go on, while it waits for room. */
  private goOn: (() => void) | undefined = undefined;

  constructor(stream: Stream<T, unknown>, scope: Scope) {
    super({ capacity: ahead });
    this.performing = new Performing(
      scope,
      () => this.readAll(stream),
      (outcome) => this.ended(outcome),
    );
  }

  protected override pull(): void {
    const { goOn } = this;
    this.goOn = undefined;
    goOn?.();
  }

  protected detach(leaving: Leaving | undefined): PromiseLike<unknown> | undefined {
    return leaving === undefined ? undefined : this.performing.halt();
  }

  private *readAll(stream: Stream<T, unknown>): Operation<void> {
    const subscription = yield* stream;
    for (;;) {
      const next = yield* subscription.next();
      if (next.done === true) return;
      if (!this.push(next.value)) yield* action<void>((resolve) => this.waitForRoom(resolve));
    }
  }

  private waitForRoom(resolve: (nothing: void) => void): () => void {
    if (this.isAsked) resolve();
    else this.goOn = () => resolve();
    return () => {
      this.goOn = undefined;
    };
  }

  private ended(outcome: Outcome<unknown> | undefined): void {
    if (outcome === undefined) {
      this.fail(new TaskCancelled("The task of effection that read the stream was halted.", undefined));
    } else if (outcome.failed) {
      this.fail(outcome.value);
    } else {
      this.end();
    }
  }
}

/**
 * Subscribes to a stream of effection's and receives what it gives. Their task is held back a few items ahead of whoever
 * receives; what it throws breaks our stream. Closing halts the task and waits until it has been torn down.
 *
 * ```ts
 * import { createQueue } from "effection";
 * import { use } from "anyloop";
 * import { fromStream } from "@anyloop/bridge-effection";
 *
 * const queue = createQueue<string, void>();
 * const stream = { *[Symbol.iterator]() { return queue; } };
 * queue.add("hello");
 * await use(fromStream(stream), function* (received) {
 *   console.log(yield* received.receive()); // hello
 * });
 * ```
 */
export function fromStream<T>(
  stream: Stream<T, unknown>,
  scope: Scope = globalScope,
): BridgeReceiveStream<T> {
  return new StreamInlet(stream, scope);
}
