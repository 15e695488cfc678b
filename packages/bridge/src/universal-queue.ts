/**
 * A queue that every world can use: tasks of any run on any backend of this thread, promise code, plain callbacks.
 *
 * Invariant: an item is in its putter's hands, in the queue or in one getter's, never in two of them and never in none.
 * While a getter waits the queue is empty; while a putter waits it is full. Whoever gives up waiting has taken nothing
 * and put nothing.
 *
 * Every wait has four flavours, as what it is used from has its own way to wait: `get()` is an operation for tasks,
 * `getPromise()` for promise code (also where a run is alive, in which an operation must not be awaited by strangers),
 * `getWith()` for callbacks, and for adapters to other worlds (another thread is one more), `getNowait()` never waits.
 * A task that waits here holds its run, as for I/O: nobody knows who will wake it, so a virtual clock stands still.
 */
import { BrokenResourceError, ClosedResourceError, EndOfStream, UsageError, WouldBlock } from "@anyloop/core";
import type { Operation } from "@anyloop/core";
import { Deque, type Strand, type Waiter } from "@anyloop/core/lowlevel";
import { Caller, Line, LineLeaf, settledAtOnce, type Waiting, type Withdraw } from "./line.ts";
import { promised, type SignalOptions } from "./promised.ts";

export interface UniversalQueueOptions {
  /** Items that may wait in the queue, 1 or more; `Infinity` if not given. */
  readonly capacity?: number | undefined;
  /**
   * When a task goes on that a callback of the host wakes by a put or a get: `"later"` (default), after the callback; or
   * `"at-once"`, before that call returns: three times cheaper, for adapters that do nothing after it.
   */
  readonly wake?: "later" | "at-once" | undefined;
  /** Called once if the queue is closed while more could come, with the reason: for what puts items in and is to stop. */
  readonly onClose?: ((reason: unknown) => void) | undefined;
}

export interface UniversalQueueStatistics {
  readonly currentBufferUsed: number;
  /** Tasks, promises and callbacks. */
  readonly waitingGet: number;
  readonly waitingPut: number;
}

/** How nothing more comes. */
type Supply = "open" | "ended" | "failed";

interface Putting<T> extends Waiting<void> {
  readonly item: T;
}

/**
 * curio's UniversalQueue, with an end, failures and a close, because bridges have them.
 *
 * ```ts
 * const queue = new UniversalQueue<string>();
 * setTimeout(() => queue.putNowait("from a callback"), 1);
 * const inTask = await run(function* () {
 *   return yield* queue.get();
 * });
 * console.log(inTask); // from a callback
 *
 * queue.putNowait("for a promise");
 * console.log(await queue.getPromise({ signal: AbortSignal.timeout(1_000) })); // for a promise
 * ```
 */
export class UniversalQueue<T> {
  readonly capacity: number;
  /** @internal */
  readonly getters: Line<Waiting<T>> = new Line();
  /** @internal */
  readonly putters: Line<Putting<T>> = new Line();
  /** @internal Asked when somebody wants an item and there is none; may put one in there and then. */
  wanted: (() => void) | undefined = undefined;
  private readonly items = new Deque<T>();
  private supply: Supply = "open";
  private isClosed = false;
  /** @internal */
  readonly wakesAtOnce: boolean;
  private readonly onClose: ((reason: unknown) => void) | undefined;
  /** What it failed with, or why it was closed. */
  private cause: unknown = undefined;

  /** @throws UsageError for a capacity that is not a whole number of 1 or more, or Infinity. */
  constructor({ capacity = Infinity, wake = "later", onClose }: UniversalQueueOptions = {}) {
    if (!(capacity === Infinity || (Number.isInteger(capacity) && capacity >= 1))) {
      throw new UsageError(
        `The capacity is ${String(capacity)}. Give a whole number, 1 or more, or Infinity.`,
      );
    }
    this.capacity = capacity;
    this.wakesAtOnce = wake === "at-once";
    this.onClose = onClose;
  }

  /** Items in the queue. */
  get size(): number {
    return this.items.size;
  }

  /** Whether `end`, `fail` or `close` was called. */
  get isOver(): boolean {
    return this.isClosed || this.supply !== "open";
  }

  /** Puts an item in; waits while the queue is full. @throws ClosedResourceError, BrokenResourceError. */
  put(item: T): Operation<void> {
    checkItem(item);
    return new Put(this, item);
  }

  /** The same for promise code. Rejects with the signal's reason if that gave up; the item then was not put. */
  putPromise(item: T, options?: SignalOptions): Promise<void> {
    return promised((waiter) => this.putWith(item, waiter), options);
  }

  /** The same for callbacks: the waiter is resumed once the item is in, perhaps before this returns. */
  putWith(item: T, waiter: Waiter<void>): Withdraw {
    checkItem(item);
    const problem = this.putProblem();
    if (problem !== undefined) waiter.fail(problem);
    else if (this.offer(item)) waiter.resume(undefined);
    else return new PutCaller(item, waiter).waitIn(this.putters);
    return settledAtOnce;
  }

  /** @throws WouldBlock if the queue is full; otherwise as `put`. */
  putNowait(item: T): void {
    checkItem(item);
    const problem = this.putProblem();
    if (problem !== undefined) throw problem;
    if (!this.offer(item)) throw new WouldBlock("The queue is full.");
  }

  /** Takes the next item; waits while there is none. @throws EndOfStream, ClosedResourceError, BrokenResourceError. */
  get(): Operation<T> {
    return new Get(this);
  }

  /** The same for promise code. Rejects with the signal's reason if that gave up; nothing was taken then. */
  getPromise(options?: SignalOptions): Promise<T> {
    return promised((waiter) => this.getWith(waiter), options);
  }

  /** The same for callbacks: the waiter is resumed with the item, perhaps before this returns. */
  getWith(waiter: Waiter<T>): Withdraw {
    if (this.hasItem()) {
      waiter.resume(this.take());
      return settledAtOnce;
    }
    const problem = this.getProblem();
    if (problem === undefined) return new Caller(waiter).waitIn(this.getters);
    waiter.fail(problem);
    return settledAtOnce;
  }

  /** @throws WouldBlock if the queue is empty; otherwise as `get`. */
  getNowait(): T {
    if (this.hasItem()) return this.take();
    throw this.getProblem() ?? new WouldBlock("The queue is empty.");
  }

  /** Nothing more comes: whoever gets, gets what is there, and then EndOfStream. Again, or once it is over, does nothing. */
  end(): void {
    this.stopSupply("ended", undefined);
  }

  /** What fills the queue has failed: whoever gets, gets what is there, and then BrokenResourceError with this cause. */
  fail(error: unknown): void {
    this.stopSupply("failed", error);
  }

  /**
   * Nothing more is wanted: what is there is dropped, whoever puts gets BrokenResourceError with this cause, whoever gets
   * ClosedResourceError. Again does nothing.
   */
  close(reason?: unknown): void {
    if (this.isClosed) return;
    this.isClosed = true;
    while (this.items.size > 0) this.items.shift();
    const isStopped = this.supply === "open";
    if (isStopped) this.cause = reason;
    // First whoever puts, who is told the reason; what puts items in may itself end the supply as it stops.
    this.putters.failAll(() => this.putProblem());
    if (isStopped) this.onClose?.(reason);
    this.getters.failAll(() => this.getProblem());
  }

  statistics(): UniversalQueueStatistics {
    return {
      currentBufferUsed: this.items.size,
      waitingGet: this.getters.size,
      waitingPut: this.putters.size,
    };
  }

  /** @internal */
  hasItem(): boolean {
    if (this.items.size === 0 && this.wanted !== undefined) this.wanted();
    return this.items.size > 0;
  }

  /** @internal Only if there is an item. */
  take(): T {
    const item = this.items.shift() as T;
    const putter = this.putters.shift();
    if (putter !== undefined) {
      this.items.push(putter.item);
      putter.resume(undefined);
    }
    return item;
  }

  /** @internal Hands an item over or keeps it; false if there is no room. Only while it is not over. */
  offer(item: T): boolean {
    const getter = this.getters.shift();
    if (getter !== undefined) {
      getter.resume(item);
      return true;
    }
    if (this.items.size >= this.capacity) return false;
    this.items.push(item);
    return true;
  }

  /** @internal */
  putProblem(): Error | undefined {
    if (this.supply !== "open") return new ClosedResourceError();
    return this.isClosed ? new BrokenResourceError(nobodyGets, { cause: this.cause }) : undefined;
  }

  /** @internal Once there is no item. */
  getProblem(): Error | undefined {
    if (this.isClosed) return new ClosedResourceError();
    if (this.supply === "open") return undefined;
    return this.supply === "ended"
      ? new EndOfStream()
      : new BrokenResourceError(undefined, { cause: this.cause });
  }

  private stopSupply(supply: Supply, cause: unknown): void {
    if (this.supply !== "open") return;
    // Also where nobody wants more: whoever puts here after this has closed it himself.
    this.supply = supply;
    if (!this.isClosed) this.cause = cause;
    this.putters.failAll(() => this.putProblem());
    this.getters.failAll(() => this.getProblem());
  }
}

const nobodyGets = "The other side wants no more: nobody will take the item.";

function checkItem(item: unknown): void {
  if (typeof item === "object" && item !== null && typeof (item as { then?: unknown }).then === "function") {
    throw new UsageError(
      "An operation or a promise is no item: awaiting the get would perform it. Put a function that gives it instead.",
    );
  }
}

/** A task in a line of a queue, which says when it goes on. */
abstract class QueueLeaf<T> extends LineLeaf<T> {
  private readonly wakesAtOnce: boolean;

  constructor(line: Line<Waiting<T>>, wakesAtOnce: boolean) {
    super(line);
    this.wakesAtOnce = wakesAtOnce;
  }

  override resume(value: T): void {
    if (this.wakesAtOnce) super.resume(value);
    else this.unpark().wake(false, value);
  }

  override fail(error: unknown): void {
    if (this.wakesAtOnce) super.fail(error);
    else this.unpark().wake(true, error);
  }
}

class Get<T> extends QueueLeaf<T> {
  get label(): string {
    return "an item of a universal queue";
  }

  private readonly queue: UniversalQueue<T>;

  constructor(queue: UniversalQueue<T>) {
    super(queue.getters, queue.wakesAtOnce);
    this.queue = queue;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { queue } = this;
    if (queue.hasItem()) return this.complete(strand, queue.take());
    const problem = queue.getProblem();
    return problem === undefined ? this.queueUp(strand) : this.refuse(strand, problem);
  }
}

class Put<T> extends QueueLeaf<void> implements Putting<T> {
  get label(): string {
    return "room in a universal queue";
  }

  readonly item: T;
  private readonly queue: UniversalQueue<T>;

  constructor(queue: UniversalQueue<T>, item: T) {
    super(queue.putters, queue.wakesAtOnce);
    this.queue = queue;
    this.item = item;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { queue } = this;
    const problem = queue.putProblem();
    if (problem !== undefined) return this.refuse(strand, problem);
    return queue.offer(this.item) ? this.complete(strand, undefined) : this.queueUp(strand);
  }
}

class PutCaller<T> extends Caller<void> implements Putting<T> {
  readonly item: T;

  constructor(item: T, waiter: Waiter<void>) {
    super(waiter);
    this.item = item;
  }
}
