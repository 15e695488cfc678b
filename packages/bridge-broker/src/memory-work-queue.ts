/**
 * A work queue in memory: for one process, for tests, and to write a worker before there is a broker.
 *
 * Invariant: an entry is ready, handed out, with the handler of poison, or done; `stored` counts all but the done. What
 * is handed out is kept in the order in which its time ends, which is that in which it began, since all have the same.
 */
import {
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  moveOnAfter,
  now,
  type ObjectReceiveStream,
  type ObjectSendStream,
  type Operation,
  operation,
  perform,
  sleep,
} from "@anyloop/core";
import { checkpointIfCancelled, closing, Deque, ParkingLot, ReceiveStreamBase } from "@anyloop/core/lowlevel";
import { checkValue } from "./json.ts";
import { poisoned } from "./poison.ts";
import {
  checkLimits,
  type Delivery,
  type Poison,
  wordsInTime,
  type WorkQueue,
  type WorkQueueLimits,
  type WorkQueueOptions,
} from "./work-queue.ts";

/** How many messages a queue holds. */
export interface WorkQueueStatistics {
  readonly ready: number;
  readonly handedOut: number;
}

interface Entry<T> {
  readonly value: T;
  deliveries: number;
  isDone: boolean;
  /** To whom it is handed out now. */
  holder: MemoryDelivery<T> | undefined;
}

/** A work queue in memory, which any task of the thread can open. */
export class MemoryWorkQueue<T> implements WorkQueue<T> {
  readonly limits: WorkQueueLimits;
  private readonly poison: Poison<T> | undefined;
  private readonly ready = new Deque<Entry<T>>();
  private readonly handedOut = new Set<MemoryDelivery<T>>();
  private readonly receivers = new ParkingLot("a message of a work queue");
  private readonly senders = new ParkingLot("room in a work queue");
  private stored = 0;

  /** @internal */
  constructor(options: WorkQueueOptions<T>) {
    this.limits = checkLimits(options);
    this.poison = options.poison;
  }

  openSender(): Operation<ObjectSendStream<T>> {
    return open(() => new MemorySender(this));
  }

  openReceiver(): Operation<ObjectReceiveStream<Delivery<T>>> {
    return open(() => new MemoryReceiver(this));
  }

  delete(): Operation<void> {
    return open(() => {
      for (let entry = this.ready.shift(); entry !== undefined; entry = this.ready.shift())
        this.finish(entry);
      for (const { entry } of this.handedOut) this.finish(entry);
    });
  }

  statistics(): WorkQueueStatistics {
    return { ready: this.stored - this.handedOut.size, handedOut: this.handedOut.size };
  }

  /** Whether there was room. */
  store(value: T): boolean {
    if (this.stored >= this.limits.capacity) return false;
    this.stored++;
    this.putBack({ value, deliveries: 0, isDone: false, holder: undefined });
    return true;
  }

  waitForRoom(): Operation<void> {
    return this.senders.park();
  }

  wakeSenders(): void {
    this.senders.unparkAll();
  }

  wakeReceivers(): void {
    this.receivers.unparkAll();
  }

  /** The next entry to hand out, if there is one; the poisoned go to their handler on the way. */
  *next(): Coroutine<Entry<T> | undefined> {
    for (;;) {
      const entry = this.ready.shift();
      if (entry === undefined || (!entry.isDone && !this.isPoison(entry))) return entry;
      if (!entry.isDone) yield* this.bury(entry, this.poison as Poison<T>);
    }
  }

  /** Until a message may be there: one that is sent or given back, or one whose time is over. */
  *waitForMessage(): Coroutine<void> {
    const [earliest] = this.handedOut;
    yield* moveOnAfter((earliest?.expires ?? Infinity) - now(), this.receivers.park());
  }

  handOut(delivery: MemoryDelivery<T>): void {
    delivery.entry.deliveries++;
    delivery.entry.holder = delivery;
    this.handedOut.add(delivery);
    // Who waits, waits without an end: it is to wake when this one's time is over.
    if (this.handedOut.size === 1) this.wakeReceivers();
  }

  extend(delivery: MemoryDelivery<T>): void {
    if (!this.handedOut.delete(delivery)) return;
    delivery.expires = now() + this.limits.redeliverAfter;
    this.handedOut.add(delivery);
  }

  giveBack(delivery: MemoryDelivery<T>): void {
    if (this.handedOut.delete(delivery)) this.putBack(delivery.entry);
  }

  /** Also for one whose time was over: the work is done, whoever else has begun it. */
  finish(entry: Entry<T>): void {
    if (entry.isDone) return;
    if (entry.holder !== undefined) this.handedOut.delete(entry.holder);
    entry.isDone = true;
    this.stored--;
    this.wakeSenders();
    this.wakeReceivers();
  }

  private putBack(entry: Entry<T>): void {
    entry.holder = undefined;
    this.ready.push(entry);
    this.wakeReceivers();
  }

  /** What was not settled in time is ready again, and in nobody's hands. */
  takeBackLate(): void {
    const time = now();
    for (const delivery of this.handedOut) {
      if (delivery.expires > time) return;
      this.giveBack(delivery);
      delivery.release();
    }
  }

  private isPoison(entry: Entry<T>): boolean {
    return this.poison !== undefined && entry.deliveries >= this.poison.after;
  }

  private *bury(entry: Entry<T>, { handle }: Poison<T>): Coroutine<void> {
    const { value, deliveries } = entry;
    try {
      yield* new CancelScope().run(() => handle({ reason: poisoned(deliveries), deliveries, value }));
    } catch (error) {
      this.putBack(entry);
      throw error;
    }
    this.finish(entry);
  }
}

const open: <E>(make: () => E) => Operation<E> = operation(function* open<E>(make: () => E): Coroutine<E> {
  yield* checkpointIfCancelled();
  return make();
});

class MemorySender<T> implements ObjectSendStream<T> {
  private readonly queue: MemoryWorkQueue<T>;
  private isClosed = false;

  constructor(queue: MemoryWorkQueue<T>) {
    this.queue = queue;
  }

  send(value: T): Operation<void> {
    checkValue(value);
    return perform(this, this.doSend, value);
  }

  close(): Operation<void> {
    return closing(() => {
      this.isClosed = true;
      this.queue.wakeSenders();
    });
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doSend(value: T): Coroutine<void> {
    yield* checkpointIfCancelled();
    for (;;) {
      if (this.isClosed) throw new ClosedResourceError();
      if (this.queue.store(value)) return;
      yield* this.queue.waitForRoom();
    }
  }
}

class MemoryReceiver<T> extends ReceiveStreamBase<Delivery<T>> {
  readonly queue: MemoryWorkQueue<T>;
  readonly unsettled = new Set<MemoryDelivery<T>>();
  isClosed = false;

  constructor(queue: MemoryWorkQueue<T>) {
    super();
    this.queue = queue;
  }

  receive(): Operation<Delivery<T>> {
    return perform(this, this.doReceive);
  }

  close(): Operation<void> {
    return closing(() => {
      this.isClosed = true;
      for (const delivery of this.unsettled) this.queue.giveBack(delivery);
      this.unsettled.clear();
      this.queue.wakeReceivers();
    });
  }

  private *doReceive(): Coroutine<Delivery<T>> {
    const { queue } = this;
    yield* checkpointIfCancelled();
    for (;;) {
      if (this.isClosed) throw new ClosedResourceError();
      queue.takeBackLate();
      const entry = this.unsettled.size < queue.limits.maxInFlight ? yield* queue.next() : undefined;
      if (entry !== undefined) return new MemoryDelivery(this, entry);
      yield* queue.waitForMessage();
    }
  }
}

class MemoryDelivery<T> implements Delivery<T> {
  readonly value: T;
  readonly deliveries: number;
  readonly entry: Entry<T>;
  expires: number;
  private readonly receiver: MemoryReceiver<T>;

  constructor(receiver: MemoryReceiver<T>, entry: Entry<T>) {
    this.receiver = receiver;
    this.entry = entry;
    this.expires = now() + receiver.queue.limits.redeliverAfter;
    receiver.unsettled.add(this);
    receiver.queue.handOut(this);
    this.value = entry.value;
    this.deliveries = entry.deliveries;
  }

  ack(): Operation<void> {
    return perform(this, this.doAck);
  }

  nak(): Operation<void> {
    return perform(this, this.doNak);
  }

  keep(): Operation<never> {
    return perform(this, this.doKeep);
  }

  /** No longer in flight: its receiver may have another. */
  release(): void {
    this.receiver.unsettled.delete(this);
  }

  private *doAck(): Coroutine<void> {
    yield* this.enter();
    this.release();
    this.receiver.queue.finish(this.entry);
  }

  private *doNak(): Coroutine<void> {
    yield* this.enter();
    this.release();
    this.receiver.queue.giveBack(this);
  }

  private *doKeep(): Coroutine<never> {
    const { queue } = this.receiver;
    for (;;) {
      yield* sleep(queue.limits.redeliverAfter / wordsInTime);
      yield* this.enter();
      queue.extend(this);
    }
  }

  private *enter(): Coroutine<void> {
    yield* checkpointIfCancelled();
    if (this.receiver.isClosed) throw new ClosedResourceError();
  }
}

/**
 * Makes a work queue in memory. Messages are lost with the process; otherwise it is as those of brokers.
 *
 * ```ts
 * import { memoryWorkQueue } from "@anyloop/bridge-broker";
 * import { run, use } from "anyloop";
 *
 * const jobs = memoryWorkQueue<string>();
 * await run(use(jobs.openSender(), (sender) => sender.send("sweep")));
 * await run(use(jobs.openReceiver(), function* (receiver) {
 *   const delivery = yield* receiver.receive();
 *   console.log(delivery.value, delivery.deliveries); // sweep 1
 *   yield* delivery.ack();
 * }));
 * console.log(jobs.statistics()); // { ready: 0, handedOut: 0 }
 * ```
 *
 * @throws UsageError for options that cannot be.
 */
export function memoryWorkQueue<T>(options: WorkQueueOptions<T> = {}): MemoryWorkQueue<T> {
  return new MemoryWorkQueue(options);
}
