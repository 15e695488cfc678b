/**
 * The receiving end of a bridge from a foreign source: what every such bridge has in common.
 *
 * A bridge extends it and says how to ask the source for an item (`pull`), where the source is one that can be asked, and
 * how to leave it (`detach`). What the source answers goes into `push`, `end` and `fail`, from any callback.
 *
 * Invariant: an item that was pushed waits here until a receiver has it: whoever is cancelled, none is lost. The source
 * is asked only while somebody waits, so it is held back by whoever does not receive. `detach` is called exactly once.
 */
import {
  ClosedResourceError,
  type Coroutine,
  fromPromise,
  type Operation,
  perform,
  UsageError,
} from "@anyloop/core";
import { checkpointIfCancelled, ReceiveStreamBase } from "@anyloop/core/lowlevel";
import type { BridgeReceiveStream } from "./ends.ts";
import { BufferOverflowError } from "./overflow.ts";
import { UniversalQueue } from "./universal-queue.ts";

/** For sources that cannot be held back. */
export interface BufferOptions {
  /** Items that wait for a receiver, 1 or more; `Infinity` if not given. */
  readonly capacity?: number | undefined;
  /**
   * What becomes of an item for which there is no room: `"fail"` (default) breaks the stream with a BufferOverflowError,
   * behind the items that wait; `"drop-newest"` drops it; `"drop-oldest"` drops the one that waits longest.
   */
  readonly whenFull?: "fail" | "drop-newest" | "drop-oldest" | undefined;
}

/** What our side says when it leaves. */
export interface Leaving {
  readonly reason: unknown;
  /** Whether the source owes an item that it was asked for. */
  readonly isPulling: boolean;
}

const overflows: ReadonlySet<unknown> = new Set(["fail", "drop-newest", "drop-oldest"]);

export abstract class Inlet<T> extends ReceiveStreamBase<T> implements BridgeReceiveStream<T> {
  private readonly queue: UniversalQueue<T>;
  private readonly whenFull: NonNullable<BufferOptions["whenFull"]>;
  private isPulling: boolean;
  private isDetached: boolean;
  /** The foreign side's own end, where closing is to wait for it. */
  private leaving: PromiseLike<unknown> | undefined;

  constructor({ capacity, whenFull = "fail" }: BufferOptions = {}) {
    super();
    if (!overflows.has(whenFull)) {
      throw new UsageError(`whenFull is ${whenFull as string}. Give "fail", "drop-newest" or "drop-oldest".`);
    }
    this.queue = new UniversalQueue({ capacity, wake: "at-once" });
    this.queue.wanted = () => this.want();
    this.whenFull = whenFull;
    this.isPulling = false;
    this.isDetached = false;
    this.leaving = undefined;
  }

  /**
   * Whether the source owes an item that it was asked for. A source that waits to be asked looks here first: `push` may
   * have told it to wait, and whoever receives may have come since.
   */
  protected get isAsked(): boolean {
    return this.isPulling;
  }

  /** Asks the source for an item. It answers with one push, end or fail, now or later; it is not asked again before. */
  protected pull(): void {
    // A source that pushes by itself.
  }

  /**
   * Takes everything of the bridge off the source. `leaving` says why if it was our side that left, and then the source
   * is to be told; what is given back settles when that has come to its end.
   */
  protected abstract detach(leaving: Leaving | undefined): PromiseLike<unknown> | undefined;

  receive(): Operation<T> {
    return this.queue.get();
  }

  abandon(reason: unknown): void {
    this.leave({ reason, isPulling: this.isPulling });
    this.queue.close(reason);
  }

  /** Closes at once, cancelled or not; then waits until the source has come to its end. */
  close(): Operation<void> {
    return perform<this, [], void>(this, this.doClose);
  }

  /** Takes an item from the source. True if there is room for another, which it may give unasked. */
  protected push(item: T): boolean {
    const { queue } = this;
    this.isPulling = false;
    if (queue.isOver) return false;
    if (!queue.offer(item)) this.overflow(item);
    else if (queue.getters.size > 0) this.want();
    return queue.size < queue.capacity;
  }

  protected end(): void {
    // Left already: it ends because our side left, which is no news.
    if (this.isDetached) return;
    this.leave(undefined);
    this.queue.end();
  }

  protected fail(error: unknown): void {
    if (this.isDetached) return;
    this.leave(undefined);
    this.queue.fail(error);
  }

  private want(): void {
    if (this.isPulling || this.isDetached) return;
    this.isPulling = true;
    this.pull();
  }

  private overflow(item: T): void {
    if (this.whenFull === "fail") {
      const error = new BufferOverflowError(this.queue.capacity);
      this.leave({ reason: error, isPulling: false });
      this.queue.fail(error);
    } else if (this.whenFull === "drop-oldest") {
      this.queue.take();
      this.queue.offer(item);
    }
  }

  private leave(leaving: Leaving | undefined): void {
    if (this.isDetached) return;
    this.isDetached = true;
    const end = this.detach(leaving);
    if (end === undefined) return;
    this.leaving = end;
    // Whoever closes is told; nobody may.
    Promise.resolve(end).catch(() => {});
  }

  private *doClose(): Coroutine<void> {
    this.abandon(new ClosedResourceError("The receiving end was closed."));
    if (this.leaving === undefined) yield* checkpointIfCancelled();
    else yield* fromPromise(this.leaving);
  }
}
