/** Effect's queues: theirs to receive from, and theirs to send into. */
import { type BridgeReceiveStream, type BridgeSendStream, Inlet, type Leaving } from "@anyloop/bridge";
import {
  BrokenResourceError,
  ClosedResourceError,
  type Coroutine,
  type Operation,
  perform,
} from "@anyloop/core";
import {
  type Cancelled,
  checkpointIfCancelled,
  closing,
  HostLeaf,
  type Strand,
} from "@anyloop/core/lowlevel";
import { Cause, Effect, Exit, type Fiber, Queue } from "effect";
import { errorOf, interruptedElsewhere, settle } from "./outcome.ts";

class QueueInlet<A> extends Inlet<A> {
  private readonly source: Queue.Queue<A, unknown>;
  private fiber: Fiber.Fiber<A, unknown> | undefined = undefined;
  private readonly onTaken = (exit: Exit.Exit<A, unknown>): void => {
    this.fiber = undefined;
    this.taken(exit);
  };

  constructor(queue: Queue.Queue<A, unknown>) {
    super();
    this.source = queue;
  }

  protected override pull(): void {
    const exit = Queue.takeUnsafe(this.source);
    if (exit !== undefined) {
      this.taken(exit);
      return;
    }
    // A take that nobody waits for any more is not lost: its item waits in the inlet.
    this.fiber = Effect.runFork(Queue.take(this.source));
    this.fiber.addObserver(this.onTaken);
  }

  protected detach(leaving: Leaving | undefined): undefined {
    if (leaving === undefined) return;
    this.fiber?.interruptUnsafe();
    Queue.shutdownUnsafe(this.source);
  }

  private taken(exit: Exit.Exit<A, unknown>): void {
    if (Exit.isSuccess(exit)) {
      this.push(exit.value);
      return;
    }
    const failure = errorOf(exit.cause);
    if (failure === undefined) this.fail(interruptedElsewhere(exit.cause));
    else if (Cause.isDone(failure.error)) this.end();
    else this.fail(failure.error);
  }
}

/**
 * Receives from a queue of Effect, one item at a time and only while somebody receives. The queue's end is the end of the
 * stream, its failure breaks it; closing shuts the queue down, which is how whoever offers learns of it.
 *
 * ```ts
 * import { Effect, Queue } from "effect";
 * import { run } from "anyloop";
 * import { fromQueue } from "@anyloop/bridge-effect";
 *
 * const queue = Effect.runSync(Queue.bounded<string>(2));
 * Effect.runFork(Queue.offer(queue, "hello"));
 * console.log(await run(fromQueue(queue).receive())); // hello
 * ```
 */
export function fromQueue<A, E>(queue: Queue.Queue<A, E>): BridgeReceiveStream<A> {
  return new QueueInlet<A>(queue as Queue.Queue<A, unknown>);
}

class QueueOutlet<A> implements BridgeSendStream<A> {
  /** @internal */
  readonly queue: Queue.Enqueue<A, unknown>;
  /** @internal Those that wait for room. */
  readonly waiting: Set<Offer<A>> = new Set();
  private isClosed = false;

  constructor(queue: Queue.Enqueue<A, unknown>) {
    this.queue = queue;
  }

  send(item: A): Operation<void> {
    return perform<this, [A], void>(this, this.doSend, item);
  }

  close(): Operation<void> {
    return closing(() => {
      this.stopSending();
      Queue.endUnsafe(this.queue);
    });
  }

  fail(error: unknown): void {
    if (this.isClosed) return;
    this.stopSending();
    Queue.failCauseUnsafe(this.queue, Cause.fail(error));
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doSend(item: A): Coroutine<void> {
    yield* checkpointIfCancelled();
    const { queue } = this;
    if (this.isClosed) throw new ClosedResourceError();
    if (Queue.offerUnsafe(queue, item) || (yield* new Offer(this, item))) return;
    // An open queue that refuses drops what it has no room for, as it was told to.
    if (queue.state._tag === "Open") return;
    const failure = errorOf(queue.state.exit.cause as Cause.Cause<unknown>);
    throw new BrokenResourceError("The Effect queue takes no more.", { cause: failure?.error });
  }

  /** An ended queue would still take what waits to be offered: that is withdrawn before. */
  private stopSending(): void {
    this.isClosed = true;
    for (const offer of this.waiting) offer.withdraw(new ClosedResourceError());
  }
}

/** Waits for room, and gives whether the item was taken. */
class Offer<A> extends HostLeaf<boolean> {
  get label(): string {
    return "room in an Effect queue";
  }

  private readonly outlet: QueueOutlet<A>;
  private readonly item: A;
  private fiber: Fiber.Fiber<boolean> | undefined = undefined;
  /** What is thrown once the fiber that was interrupted for it has ended. */
  private withdrawnFor: Error | undefined = undefined;

  constructor(outlet: QueueOutlet<A>, item: A) {
    super();
    this.outlet = outlet;
    this.item = item;
  }

  withdraw(reason: Error): void {
    this.withdrawnFor = reason;
    this.fiber?.interruptUnsafe();
  }

  // Later: whoever takes has made more room by then, and a fiber for each item would cost more than the item.
  override resume(isTaken: boolean): void {
    this.unpark().wake(false, isTaken);
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { outlet } = this;
    const parked = this.park(strand);
    this.withdrawnFor = undefined;
    outlet.waiting.add(this);
    this.fiber = Effect.runFork(Queue.offer(outlet.queue, this.item));
    this.fiber.addObserver((exit) => {
      outlet.waiting.delete(this);
      settle(this, exit, this.withdrawnFor);
    });
    return parked;
  }

  protected abort(cancelled: Cancelled): boolean {
    this.withdraw(cancelled);
    return false;
  }
}

/**
 * Sends into a queue of Effect; waits while it is full. Closing ends the queue behind what waits in it, `fail` fails it.
 *
 * ```ts
 * import { Cause, Effect, Queue } from "effect";
 * import { run } from "anyloop";
 * import { toQueue } from "@anyloop/bridge-effect";
 *
 * const queue = Effect.runSync(Queue.bounded<string, Cause.Done>(2));
 * await run(toQueue(queue).send("hello"));
 * console.log(await Effect.runPromise(Queue.take(queue))); // hello
 * ```
 */
export function toQueue<A, E>(queue: Queue.Enqueue<A, E | Cause.Done>): BridgeSendStream<A> {
  return new QueueOutlet<A>(queue as Queue.Enqueue<A, unknown>);
}
