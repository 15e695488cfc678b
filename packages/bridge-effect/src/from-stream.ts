/** Their streams, as streams of ours. */
import { type BridgeReceiveStream, Inlet, type Leaving } from "@anyloop/bridge";
import { Context, Effect, Exit, type Fiber, Stream } from "effect";
import { errorOf, interruptedElsewhere } from "./outcome.ts";

/** Items that the fiber may be ahead of the receiver: waking it for each of them would cost more than the item. */
const ahead = 16;

class StreamInlet<A, R> extends Inlet<A> {
  private readonly fiber: Fiber.Fiber<void, unknown>;
  /** Lets the fiber go on, while it waits for room. */
  private goOn: (() => void) | undefined = undefined;

  constructor(stream: Stream.Stream<A, unknown, R>, context: Context.Context<R>) {
    super({ capacity: ahead });
    // A fiber may give others a turn between any two steps, so also between the push and this.
    const room = Effect.callback<void>((resume) => {
      if (this.isAsked) resume(Effect.void);
      else this.goOn = () => resume(Effect.void);
    });
    const handOver = (item: A): Effect.Effect<void> => (this.push(item) ? Effect.void : room);
    this.fiber = Effect.runForkWith(context)(Stream.runForEach(stream, handOver));
    this.fiber.addObserver((exit) => this.ended(exit));
  }

  protected override pull(): void {
    const { goOn } = this;
    this.goOn = undefined;
    goOn?.();
  }

  protected detach(leaving: Leaving | undefined): PromiseLike<unknown> | undefined {
    const { fiber } = this;
    if (leaving === undefined) return undefined;
    const end = new Promise<void>((resolve, reject) => {
      fiber.addObserver((exit) => {
        const failure = Exit.isFailure(exit) ? errorOf(exit.cause) : undefined;
        if (failure === undefined) resolve();
        else reject(failure.error);
      });
    });
    fiber.interruptUnsafe();
    return end;
  }

  private ended(exit: Exit.Exit<void, unknown>): void {
    if (Exit.isSuccess(exit)) this.end();
    else this.fail((errorOf(exit.cause) ?? { error: interruptedElsewhere(exit.cause) }).error);
  }
}

/**
 * Receives what a stream of Effect gives. Its fiber starts now, and is held back a few items ahead of whoever
 * receives; its failure breaks our stream. Closing interrupts the fiber and waits for its finalizers.
 *
 * ```ts
 * import { Stream } from "effect";
 * import { forEach, use } from "anyloop";
 * import { fromStream } from "@anyloop/bridge-effect";
 *
 * await use(fromStream(Stream.make("hello")), function* (stream) {
 *   yield* forEach(stream, (item) => console.log(item)); // hello
 * });
 * ```
 */
export function fromStream<A, E>(stream: Stream.Stream<A, E>): BridgeReceiveStream<A>;
export function fromStream<A, E, R>(
  stream: Stream.Stream<A, E, R>,
  context: Context.Context<R>,
): BridgeReceiveStream<A>;
export function fromStream<A, R>(
  stream: Stream.Stream<A, unknown, R>,
  context: Context.Context<R> = Context.empty() as Context.Context<R>,
): BridgeReceiveStream<A> {
  return new StreamInlet(stream, context);
}
