/**
 * A stream made by a body of its own. trio's `as_safe_channel`.
 *
 * Invariant: the source runs only while somebody asks for an item: it begins with the first `receive`, and `emit` comes
 * back with the next one. So nothing happens ahead of the reader, as in a generator.
 */
import { call } from "./call.ts";
import { BrokenResourceError } from "./errors.ts";
import { type MemoryReceiveStream, type MemorySendStream, memoryStream } from "./memory-stream.ts";
import { operation, perform } from "./operation.ts";
import { ParkingLot } from "./parking-lot.ts";
import { shield } from "./scope.ts";
import { type ReceiveStream, ReceiveStreamBase } from "./streams.ts";
import { checkpointIfCancelled } from "./suspend.ts";
import { type TaskGroup, taskGroup } from "./task-group.ts";
import type { Body, Coroutine, Handler, Operation } from "./types.ts";

/** Hands an item to the reader, and waits until it asks for the next. As at a `yield`, it may be cancelled while it waits. */
export type Emit<T> = (item: T) => Operation<void>;

type AnyFunction = (...args: never[]) => unknown;

/** How many ask and have nothing yet. */
class Demand {
  private readonly send: MemorySendStream<unknown>;
  private readonly lot = new ParkingLot("the next receive");
  private count = 0;

  constructor(send: MemorySendStream<unknown>) {
    this.send = send;
  }

  /** Wakes all tasks of the source: one that is woken may have nothing more to give. */
  ask(): void {
    this.count++;
    this.lot.unparkAll();
  }

  /** One that asked has an item, or gave up. */
  met(): void {
    this.count--;
  }

  readerClosed(): void {
    this.lot.unparkAll();
  }

  /** @throws BrokenResourceError if the reader has closed the stream. */
  *wait(): Coroutine<void> {
    while (this.count === 0 && this.isWanted) yield* this.lot.park();
    if (!this.isWanted)
      throw new BrokenResourceError("The reader closed the stream: it wants no more items.");
  }

  get isWanted(): boolean {
    return this.send.statistics().openReceiveStreams > 0;
  }
}

class GeneratedStream extends ReceiveStreamBase<unknown> {
  private readonly source: MemoryReceiveStream<unknown>;
  private readonly demand: Demand;

  constructor(source: MemoryReceiveStream<unknown>, demand: Demand) {
    super();
    this.source = source;
    this.demand = demand;
  }

  receive(): Operation<unknown> {
    return perform(this, this.doReceive);
  }

  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  private *doReceive(): Coroutine<unknown> {
    yield* checkpointIfCancelled();
    this.demand.ask();
    try {
      return yield* this.source.receive();
    } catch (error) {
      this.demand.met();
      throw error;
    }
  }

  private *doClose(): Coroutine<void> {
    try {
      yield* this.source.close();
    } finally {
      this.demand.readerClosed();
    }
  }
}

const emitItem = operation(function* emit(
  send: MemorySendStream<unknown>,
  demand: Demand,
  item: unknown,
): Coroutine<void> {
  yield* send.send(item);
  demand.met();
  yield* demand.wait();
});

const produce = operation(function* generate(
  group: TaskGroup,
  source: AnyFunction,
  send: MemorySendStream<unknown>,
  demand: Demand,
): Coroutine<void> {
  try {
    yield* demand.wait();
    const emit: Emit<unknown> = (item) => emitItem(send, demand, item);
    yield* call(source, emit);
  } catch (error) {
    // The reader closed the stream: it wants no more, and that is how the source learns of it.
    if (error instanceof BrokenResourceError && !demand.isWanted) return;
    // Before the stream is closed: a reader that waits is cancelled, and takes a failure for no end.
    group.cancel("the source has failed");
    throw error;
  } finally {
    // Cancelled or not, what the source threw must not be replaced.
    yield* shield(send.close());
  }
});

function* consume(group: TaskGroup, source: AnyFunction, body: AnyFunction): Coroutine<unknown> {
  const [send, receive] = memoryStream<unknown>();
  const demand = new Demand(send);
  group.startSoon(produce(group, source, send, demand), { daemon: true });
  return yield* call(body, new GeneratedStream(receive, demand));
}

const performGenerate = operation(function* generate(
  source: AnyFunction,
  body: AnyFunction,
): Coroutine<unknown> {
  return yield* taskGroup((group) => consume(group, source, body), { name: "generate" });
});

/**
 * Runs the source in a task of its own, which goes on only when the body asks for the next item. Unlike an
 * async generator it can hold scopes and groups open between two items, and it is ended with the body.
 *
 * ```ts
 * const sum = await generate<number, number>(
 *   function* (emit) {
 *     for (const item of [1, 2, 3]) yield* emit(item);
 *   },
 *   async (stream) => {
 *     let total = 0;
 *     for await (const item of stream) total += item;
 *     return total;
 *   },
 * );
 * console.log(sum); // 6
 * ```
 */
export function generate<T, R>(
  source: Handler<[emit: Emit<T>]>,
  body: Body<R, [stream: ReceiveStream<T>]>,
): Operation<R> {
  return performGenerate(source, body) as Operation<R>;
}
