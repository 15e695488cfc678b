/**
 * The sending end of a bridge to a foreign sink: what every such bridge has in common.
 *
 * A bridge extends it and says how to hand an item over (`write`) and how to leave (`finish`); where the sink can hold us
 * back also whether it has room, and how to hear of it (`hasRoom`, `awaitRoom`, answered by `roomAgain`).
 *
 * Invariant: an item is handed over in one step, when there is room for it, in the order of the sends, or not at all: what
 * was handed over cannot be taken back, so a send that waits has put nothing. `finish` is called at most once.
 */
import {
  BrokenResourceError,
  ClosedResourceError,
  type Coroutine,
  fromPromise,
  isCancelled,
  type Operation,
  perform,
} from "@anyloop/core";
import { checkpointIfCancelled, type Strand } from "@anyloop/core/lowlevel";
import type { BridgeSendStream } from "./ends.ts";
import { Line, LineLeaf } from "./line.ts";

export abstract class Outlet<T> implements BridgeSendStream<T> {
  /** @internal */
  readonly senders: Line<Send<T>>;
  private problem: (() => Error) | undefined;
  private isAsking: boolean;
  /** The foreign side's own end, which closing waits for. */
  private finishing: PromiseLike<unknown> | undefined;

  constructor() {
    this.senders = new Line();
    this.problem = undefined;
    this.isAsking = false;
    this.finishing = undefined;
  }

  /** Hands an item over, for which there is room. What it throws is thrown by the send, and ends nothing. */
  protected abstract write(item: T): void;

  /** Leaves the sink, in order or with an error. What it gives back settles when everything has been dealt with. */
  protected abstract finish(
    failure: { readonly error: unknown } | undefined,
  ): PromiseLike<unknown> | undefined;

  /** Whether the sink takes an item now. */
  protected hasRoom(): boolean {
    return true;
  }

  /** Asks the sink to be told, by `roomAgain`, once it has room; not asked again before. */
  protected awaitRoom(): void {
    // A sink that always has room is never asked.
  }

  send(item: T): Operation<void> {
    return new Send<T>(this, item);
  }

  /** Closes at once, cancelled or not; then waits until the sink has dealt with everything. @throws BrokenResourceError. */
  close(): Operation<void> {
    return perform<this, [], void>(this, this.doClose);
  }

  fail(error: unknown): void {
    this.leave({ error });
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  /** There is room: whoever waits hands over what fits. */
  protected roomAgain(): void {
    const { senders } = this;
    this.isAsking = false;
    while (senders.size > 0 && this.hasRoom()) (senders.shift() as Send<T>).handOver();
    this.ask();
  }

  /** The foreign side wants no more: sending is Broken from here on, with this cause. */
  protected breakOff(cause: unknown): void {
    if (this.problem === undefined) this.refuse(() => new BrokenResourceError(undefined, { cause }));
  }

  /** @internal False if it has to wait. @throws if nothing can be sent. */
  sendNow(item: T): boolean {
    if (this.problem !== undefined) throw this.problem();
    if (this.senders.size > 0 || !this.hasRoom()) return false;
    this.write(item);
    return true;
  }

  /** @internal For the one that has left the line. */
  writeFor(sender: Send<T>, item: T): void {
    try {
      this.write(item);
    } catch (error) {
      sender.fail(error);
      return;
    }
    sender.resume(undefined);
  }

  /** @internal */
  ask(): void {
    if (this.isAsking || this.senders.size === 0) return;
    this.isAsking = true;
    this.awaitRoom();
  }

  private refuse(problem: () => Error): void {
    this.problem = problem;
    this.senders.failAll(problem);
  }

  private leave(failure: { readonly error: unknown } | undefined): void {
    const wasOpen = this.problem === undefined;
    this.refuse(() => new ClosedResourceError());
    if (!wasOpen) return;
    this.finishing = this.finish(failure);
    // Whoever closes is told; nobody may.
    if (this.finishing !== undefined) Promise.resolve(this.finishing).catch(() => {});
  }

  private *doClose(): Coroutine<void> {
    this.leave(undefined);
    if (this.finishing === undefined) {
      yield* checkpointIfCancelled();
      return;
    }
    try {
      yield* fromPromise(this.finishing);
    } catch (error) {
      throw isCancelled(error) ? error : new BrokenResourceError(undefined, { cause: error });
    }
  }
}

class Send<T> extends LineLeaf<void> {
  get label(): string {
    return "room on the other side of a bridge";
  }

  private readonly outlet: Outlet<T>;
  private readonly item: T;

  constructor(outlet: Outlet<T>, item: T) {
    super(outlet.senders);
    this.outlet = outlet;
    this.item = item;
  }

  handOver(): void {
    this.outlet.writeFor(this, this.item);
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { outlet } = this;
    let isSent: boolean;
    try {
      isSent = outlet.sendNow(this.item);
    } catch (error) {
      return this.refuse(strand, error);
    }
    if (isSent) return this.complete(strand, undefined);
    const parked = this.queueUp(strand);
    outlet.ask();
    return parked;
  }
}
