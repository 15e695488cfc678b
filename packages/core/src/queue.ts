/**
 * A queue: items wait for tasks or tasks for items, in the order that the queue keeps. curio's, and what bridges use.
 *
 * Invariant: while a getter waits the queue is empty; while a putter waits it is full. A cancelled `get` took nothing,
 * a cancelled `put` left nothing. It may be used from several runs of one thread, and from plain callbacks.
 */
import { Deque } from "./deque.ts";
import { UsageError, WouldBlock } from "./errors.ts";
import { checkCapacity, checkItem } from "./item.ts";
import { ParkingLot } from "./parking-lot.ts";
import { checkpointIfCancelled } from "./suspend.ts";
import { perform } from "./operation.ts";
import type { Strand } from "./strand.ts";
import type { Coroutine, Operation } from "./types.ts";
import { Queued, WaitQueue } from "./wait-queue.ts";

export interface QueueOptions<T> {
  /** Items that may wait in the queue; `Infinity` if not given. */
  readonly capacity?: number | undefined;
  /** First in first out (default), last in first out, or smallest first by comparison. */
  readonly order?: "fifo" | "lifo" | ((a: T, b: T) => number) | undefined;
}

interface Store<T> {
  readonly size: number;
  push(item: T): void;
  take(): T;
}

class Fifo<T> extends Deque<T> implements Store<T> {
  take(): T {
    return this.shift() as T;
  }
}

class Lifo<T> extends Deque<T> implements Store<T> {
  take(): T {
    return this.pop() as T;
  }
}

interface Entry<T> {
  readonly item: T;
  readonly arrival: number;
}

/** Smallest first; equal ones in order of arrival. */
class Sorted<T> implements Store<T> {
  private readonly heap: Entry<T>[] = [];
  private readonly compare: (a: T, b: T) => number;
  private arrivals = 0;

  constructor(compare: (a: T, b: T) => number) {
    this.compare = compare;
  }

  get size(): number {
    return this.heap.length;
  }

  push(item: T): void {
    const { heap } = this;
    const entry = { item, arrival: this.arrivals++ };
    // All comparisons come before the first move: one that throws leaves the heap as it was.
    const path = [heap.length];
    for (let index = heap.length; index > 0;) {
      index = (index - 1) >> 1;
      if (!this.isBefore(entry, heap[index] as Entry<T>)) break;
      path.push(index);
    }
    this.place(entry, path);
  }

  take(): T {
    const { heap } = this;
    const last = heap.length - 1;
    const path = [0];
    for (let index = 0; ;) {
      const left = 2 * index + 1;
      if (left >= last) break;
      const isRight = left + 1 < last && this.isBefore(heap[left + 1] as Entry<T>, heap[left] as Entry<T>);
      index = isRight ? left + 1 : left;
      if (!this.isBefore(heap[index] as Entry<T>, heap[last] as Entry<T>)) break;
      path.push(index);
    }
    const taken = heap[0] as Entry<T>;
    const moved = heap.pop() as Entry<T>;
    if (heap.length > 0) this.place(moved, path);
    return taken.item;
  }

  /** Moves everything on the path one step towards its beginning, and puts the entry at its end. */
  private place(entry: Entry<T>, path: readonly number[]): void {
    const { heap } = this;
    for (let step = 0; step + 1 < path.length; step++) {
      heap[path[step] as number] = heap[path[step + 1] as number] as Entry<T>;
    }
    heap[path.at(-1) as number] = entry;
  }

  private isBefore(left: Entry<T>, right: Entry<T>): boolean {
    const order = this.compare(left.item, right.item);
    return order < 0 || (order === 0 && left.arrival < right.arrival);
  }
}

function createStore<T>(order: NonNullable<QueueOptions<T>["order"]>): Store<T> {
  if (order === "fifo") return new Fifo();
  if (order === "lifo") return new Lifo();
  if (typeof order === "function") return new Sorted(order);
  throw new UsageError(`The order is ${String(order)}. Give "fifo", "lifo" or a function (a, b) => number.`);
}

/**
 * ```ts
 * const queue = new Queue<number>({ order: (a, b) => a - b });
 * queue.putNowait(2);
 * queue.putNowait(1);
 * console.log(await queue.get()); // 1
 * ```
 */
export class Queue<T> {
  readonly capacity: number;
  private readonly store: Store<T>;
  /** @internal */
  readonly getters: WaitQueue<Get<T>> = new WaitQueue();
  /** @internal */
  readonly putters: WaitQueue<Put<T>> = new WaitQueue();
  private readonly joiners = new ParkingLot("all items of a queue to be done");
  private unfinished = 0;

  /** @throws UsageError for a capacity that is not a whole number of 1 or more, or Infinity. */
  constructor(options: QueueOptions<T> = {}) {
    this.capacity = checkCapacity(options.capacity ?? Infinity);
    if (this.capacity === 0)
      throw new UsageError(
        "A queue of capacity 0 cannot hold anything. Use memoryStream(0) to hand over directly.",
      );
    this.store = createStore(options.order ?? "fifo");
  }

  /** Items in the queue. */
  get size(): number {
    return this.store.size;
  }

  /** Puts an item in; waits while the queue is full. */
  put(item: T): Operation<void> {
    checkItem(item);
    return new Put(this, item);
  }

  /** @throws WouldBlock if the queue is full. */
  putNowait(item: T): void {
    checkItem(item);
    if (!this.offer(item)) throw new WouldBlock("The queue is full.");
  }

  /** Takes the next item; waits while there is none. */
  get(): Operation<T> {
    return new Get(this);
  }

  /** @throws WouldBlock if the queue is empty. */
  getNowait(): T {
    if (this.size === 0) throw new WouldBlock("The queue is empty.");
    return this.take();
  }

  /** Says that an item which was taken has been dealt with. @throws UsageError for more than were put in. */
  taskDone(): void {
    if (this.unfinished === 0)
      throw new UsageError("taskDone() was called more often than items were put in.");
    this.unfinished--;
    if (this.unfinished === 0) this.joiners.unparkAll();
  }

  /** Waits until every item that was put in has been dealt with. */
  join(): Operation<void> {
    return perform(this, this.doJoin);
  }

  /** @internal */
  offer(item: T): boolean {
    if (this.size >= this.capacity) return false;
    const getter = this.getters.shift();
    if (getter === undefined) this.store.push(item);
    else getter.resume(item);
    this.unfinished++;
    return true;
  }

  /** @internal Only if there is an item. */
  take(): T {
    const item = this.store.take();
    while (this.putters.size > 0 && this.size < this.capacity) this.admit(this.putters.shift() as Put<T>);
    return item;
  }

  /** Lets one that waits put its item in; if its comparison throws, that is its own failure. */
  private admit(putter: Put<T>): void {
    try {
      this.store.push(putter.item);
    } catch (error) {
      putter.fail(error);
      return;
    }
    this.unfinished++;
    putter.resume(undefined);
  }

  private *doJoin(): Coroutine<void> {
    if (this.unfinished === 0) yield* checkpointIfCancelled();
    else yield* this.joiners.park();
  }
}

class Put<T> extends Queued<void> {
  get label(): string {
    return "room in a queue";
  }

  readonly item: T;
  private readonly target: Queue<T>;

  constructor(target: Queue<T>, item: T) {
    super(target.putters);
    this.target = target;
    this.item = item;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    return this.target.offer(this.item) ? this.complete(strand, undefined) : this.queueUp(strand);
  }
}

class Get<T> extends Queued<T> {
  get label(): string {
    return "an item of a queue";
  }

  private readonly target: Queue<T>;

  constructor(target: Queue<T>) {
    super(target.getters);
    this.target = target;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    return this.target.size > 0 ? this.complete(strand, this.target.take()) : this.queueUp(strand);
  }
}
