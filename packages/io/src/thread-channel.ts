/**
 * Streams of objects between a run and a thread.
 *
 * Invariant: as in `channel-end.ts`, which both ends use; here an item is taken or sent in the very step in which the
 * operation completes, so a cancelled one did not happen.
 */
import { MessageChannel, type MessagePort, type Transferable } from "node:worker_threads";
import {
  BrokenResourceError,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  type ObjectReceiveStream,
  type ObjectSendStream,
  type Operation,
  perform,
  UsageError,
} from "@anyloop/core";
import {
  checkpointIfCancelled,
  closing,
  HostLeaf,
  ReceiveStreamBase,
  type Strand,
} from "@anyloop/core/lowlevel";
import { type ChannelEnd, openChannelEnd } from "./channel-end.ts";

/** Our end of a channel. */
export interface ThreadStream<in Sent, out Received>
  extends ObjectSendStream<Sent>, ObjectReceiveStream<Received> {
  /**
   * Hands a clone over, or what is named in `transfer` itself; waits first while `capacity` items are not taken yet.
   * @throws UsageError for what cannot be cloned; ClosedResourceError, BrokenResourceError.
   */
  send(item: Sent, transfer?: readonly Transferable[]): Operation<void>;
  /** Ends the sending direction; the thread sees the end and can still answer. */
  sendEof(): Operation<void>;
}

/** The end of a channel that a thread has. It is closed when the thread's function has ended. */
export interface ThreadPort<in Sent, out Received> extends AsyncIterable<Received> {
  /** Waits while `capacity` items are not taken yet. */
  send(item: Sent, transfer?: readonly Transferable[]): Promise<void>;
  /** Rejects with an error whose `name` is "EndOfStream" when nothing more will come. */
  receive(): Promise<Received>;
  sendEof(): void;
  close(): void;
}

/** So much that a turn of the other thread, some 20 µs, is worth its while. */
const defaultCapacity = 1024;

type AnyEnd = ThreadStreamEnd<unknown, unknown>;

/** Waits for the other end of the channel. */
abstract class Turn<T> extends HostLeaf<T> {
  protected readonly stream: AnyEnd;

  constructor(stream: AnyEnd) {
    super();
    this.stream = stream;
  }

  protected abstract get queue(): Set<Turn<T>>;
  /** Whether `act` can be called: it need not wait. */
  abstract get isReady(): boolean;
  /** Does it. @throws what the operation throws. */
  protected abstract act(): T;

  /** For one that waited, from a callback of the host: its task may go on before this returns. */
  proceed(): void {
    let value: T;
    this.leave();
    try {
      value = this.act();
    } catch (error) {
      this.fail(error);
      return;
    }
    this.resume(value);
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    // Behind those who wait already.
    if (!this.isReady || this.queue.size > 0) {
      this.queue.add(this);
      this.stream.keep(1);
      return this.park(strand);
    }
    let value: T;
    try {
      value = this.act();
    } catch (error) {
      return this.refuse(strand, error);
    }
    return this.complete(strand, value);
  }

  protected abort(): boolean {
    this.leave();
    return true;
  }

  private leave(): void {
    this.queue.delete(this);
    this.stream.keep(-1);
  }
}

class Send extends Turn<void> {
  private readonly item: unknown;
  private readonly transfer: readonly Transferable[] | undefined;

  constructor(stream: AnyEnd, item: unknown, transfer: readonly Transferable[] | undefined) {
    super(stream);
    this.item = item;
    this.transfer = transfer;
  }

  get label(): string {
    return "the thread to take what was sent";
  }

  protected get queue(): Set<Turn<void>> {
    return this.stream.senders;
  }

  get isReady(): boolean {
    const { end, state } = this.stream;
    return end.room > 0 || state !== "open" || end.isGone;
  }

  protected act(): void {
    const { stream } = this;
    if (stream.state !== "open") throw new ClosedResourceError();
    if (stream.end.isGone) throw stream.gone();
    try {
      stream.end.post(this.item, this.transfer);
    } catch (error) {
      throw new UsageError(`This item cannot be sent to a thread: ${String(error)}`, { cause: error });
    }
  }
}

class Receive extends Turn<unknown> {
  get label(): string {
    return "an item from the thread";
  }

  protected get queue(): Set<Turn<unknown>> {
    return this.stream.receivers;
  }

  get isReady(): boolean {
    const { end, state } = this.stream;
    return end.waiting > 0 || state === "closed" || end.hasEnded || end.isGone;
  }

  protected act(): unknown {
    const { stream } = this;
    if (stream.state === "closed") throw new ClosedResourceError();
    if (stream.end.waiting > 0) return stream.end.take();
    throw stream.end.hasEnded ? new EndOfStream() : stream.gone();
  }
}

class ThreadStreamEnd<Sent, Received>
  extends ReceiveStreamBase<Received>
  implements ThreadStream<Sent, Received>
{
  readonly end: ChannelEnd;
  state: "open" | "ended" | "closed" = "open";
  /** Who waits, in order. */
  readonly senders: Set<Turn<void>> = new Set();
  readonly receivers: Set<Turn<unknown>> = new Set();
  private readonly port: MessagePort;
  private waiting = 0;
  /** The job that has the other end, once it has. */
  private job: Promise<unknown> | undefined = undefined;
  /** What the thread of the other end died of. */
  private cause: unknown = undefined;

  constructor(port: MessagePort, capacity: number) {
    super();
    this.port = port;
    const onChange = (): void => this.wake();
    this.end = openChannelEnd(port, capacity, onChange, () => this.lost());
    port.unref();
  }

  /** The other end went to a thread that does this job. It breaks the channel with the cause if its thread dies. */
  wentWith(job: Promise<unknown>): void {
    this.job = job;
    job.catch((error: unknown) => {
      // Any other error is the function's own: the port then says itself that it is closed.
      if (!(error instanceof BrokenResourceError)) return;
      this.cause = error;
      this.end.lose();
    });
  }

  send(item: Sent, transfer?: readonly Transferable[]): Operation<void> {
    return new Send(this, item, transfer);
  }

  receive(): Operation<Received> {
    return new Receive(this) as Operation<unknown> as Operation<Received>;
  }

  sendEof(): Operation<void> {
    return perform(this, this.doSendEof);
  }

  close(): Operation<void> {
    return closing(() => this.closeNow());
  }

  /** The port keeps the process only while somebody waits for it. */
  keep(more: 1 | -1): void {
    const before = this.waiting;
    this.waiting += more;
    if (before === 0) this.port.ref();
    else if (this.waiting === 0) this.port.unref();
  }

  gone(): BrokenResourceError {
    return new BrokenResourceError("The other end of the channel is closed, or its thread is gone.", {
      cause: this.cause,
    });
  }

  /** The port has closed without a word. If its thread died, that is known in a moment, and then why. */
  private lost(): void {
    const lose = (): void => this.end.lose();
    if (this.job === undefined) lose();
    else this.job.then(lose, lose);
  }

  /** Something has changed: those who can go on do. Each may change it again. */
  private wake(): void {
    for (const receiver of this.receivers) {
      if (!receiver.isReady) break;
      receiver.proceed();
    }
    for (const sender of this.senders) {
      if (!sender.isReady) break;
      sender.proceed();
    }
  }

  private *doSendEof(): Coroutine<void> {
    yield* checkpointIfCancelled();
    if (this.state !== "open") return;
    this.state = "ended";
    this.end.sendEof();
    this.wake();
  }

  private closeNow(): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.end.close();
    this.wake();
  }
}

/** What stands for the thread's end until it has got there. */
class UnsentPort {
  readonly port: MessagePort;
  readonly capacity: number;
  readonly here: { wentWith(job: Promise<unknown>): void };

  constructor(port: MessagePort, capacity: number, here: UnsentPort["here"]) {
    this.port = port;
    this.capacity = capacity;
    this.here = here;
  }
}

export type { UnsentPort };

/** The far end of a channel, on its way; undefined for anything else. */
export function unsentPort(argument: unknown): UnsentPort | undefined {
  return argument instanceof UnsentPort ? argument : undefined;
}

function checkCapacity(capacity: number): void {
  if (!Number.isInteger(capacity) || capacity < 1)
    throw new UsageError(`The capacity is ${String(capacity)}. Give a whole number, 1 or more.`);
}

/**
 * Makes a stream of a `MessagePort`; the other port needs one as well, of the same capacity. For threads of one's own:
 * what `runInThread` starts is given an end by `threadChannel`. The port keeps the process only while a task waits for it.
 *
 * ```ts
 * import { threadStream } from "@anyloop/io";
 *
 * const { port1, port2 } = new MessageChannel();
 * const [left, right] = [threadStream<string>(port1), threadStream<string>(port2)];
 * await left.send("over there");
 * console.log(await right.receive()); // over there
 * await left.close();
 * await right.close();
 * ```
 *
 * @throws UsageError for a capacity that cannot be.
 */
export function threadStream<Sent, Received = Sent>(
  port: MessagePort,
  capacity: number = defaultCapacity,
): ThreadStream<Sent, Received> {
  checkCapacity(capacity);
  return new ThreadStreamEnd(port, capacity);
}

/**
 * Makes a channel between this run and a thread: the first end is ours, the second is to be passed, once, as an argument
 * of `runInThread`. At most `capacity` (1024 if not given) items of one direction are on their way or not yet taken. What
 * is sent in one turn of the loop travels as one message. If the thread dies, the channel breaks with the cause.
 *
 * ```ts
 * import { runInThread, threadChannel, type ThreadPort } from "@anyloop/io";
 *
 * const [here, there] = threadChannel<number, string>();
 * await run(function* () {
 *   yield* taskGroup(function* (group) {
 *     group.startSoon(runInThread(async (port: ThreadPort<string, number>) => {
 *       for await (const item of port) await port.send(`got ${item}`);
 *     }, [there]));
 *     yield* here.send(1);
 *     yield* here.sendEof();
 *     console.log(yield* here.receive()); // got 1
 *   });
 * });
 * ```
 *
 * @throws UsageError for a capacity that cannot be.
 */
export function threadChannel<ToThread, FromThread = ToThread>(
  capacity: number = defaultCapacity,
): [here: ThreadStream<ToThread, FromThread>, there: ThreadPort<FromThread, ToThread>] {
  checkCapacity(capacity);
  const { port1, port2 } = new MessageChannel();
  const here = new ThreadStreamEnd<ToThread, FromThread>(port1, capacity);
  const there: unknown = new UnsentPort(port2, capacity, here);
  return [here, there as ThreadPort<FromThread, ToThread>];
}
