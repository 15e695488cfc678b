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
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { Change } from "./change.ts";
import { type ChannelEnd, openChannelEnd } from "./channel-end.ts";
import { ObjectReceiver } from "./object-receiver.ts";

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

class ThreadStreamEnd<Sent, Received>
  extends ObjectReceiver<Received>
  implements ThreadStream<Sent, Received>
{
  private readonly port: MessagePort;
  private readonly change = new Change();
  private readonly end: ChannelEnd;
  private state: "open" | "ended" | "closed" = "open";
  private waiting = 0;
  /** The job that has the other end, once it has. */
  private job: Promise<unknown> | undefined = undefined;
  /** What the thread of the other end died of. */
  private cause: unknown = undefined;

  constructor(port: MessagePort, capacity: number) {
    super();
    this.port = port;
    this.end = openChannelEnd(port, capacity, this.change.happened, () => this.lost());
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

  send(item: Sent, transfer: readonly Transferable[] = []): Operation<void> {
    return perform(this, this.doSend, item, transfer);
  }

  receive(): Operation<Received> {
    return perform(this, this.doReceive);
  }

  sendEof(): Operation<void> {
    return perform(this, this.doSendEof);
  }

  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  /** The port has closed without a word. If its thread died, that is known in a moment, and then why. */
  private lost(): void {
    const lose = (): void => this.end.lose();
    if (this.job === undefined) lose();
    else this.job.then(lose, lose);
  }

  private *doSend(item: Sent, transfer: readonly Transferable[]): Coroutine<void> {
    yield* checkpointIfCancelled();
    for (;;) {
      if (this.state !== "open") throw new ClosedResourceError();
      if (this.end.isGone) throw this.gone();
      if (this.end.room > 0) break;
      yield* this.waitForChange();
    }
    try {
      this.end.post(item, transfer);
    } catch (error) {
      throw new UsageError(`This item cannot be sent to a thread: ${String(error)}`, { cause: error });
    }
  }

  private *doReceive(): Coroutine<Received> {
    yield* checkpointIfCancelled();
    for (;;) {
      if (this.state === "closed") throw new ClosedResourceError();
      if (this.end.waiting > 0) return this.end.take() as Received;
      if (this.end.hasEnded) throw new EndOfStream();
      if (this.end.isGone) throw this.gone();
      yield* this.waitForChange();
    }
  }

  private *doSendEof(): Coroutine<void> {
    yield* checkpointIfCancelled();
    if (this.state !== "open") return;
    this.state = "ended";
    this.end.sendEof();
  }

  private *doClose(): Coroutine<void> {
    if (this.state !== "closed") {
      this.state = "closed";
      this.end.close();
      this.change.happened();
    }
    yield* checkpointIfCancelled();
  }

  /** The port keeps the process only while somebody waits for it. */
  private *waitForChange(): Coroutine<void> {
    if (this.waiting++ === 0) this.port.ref();
    try {
      yield* this.change.next();
    } finally {
      if (--this.waiting === 0) this.port.unref();
    }
  }

  private gone(): BrokenResourceError {
    return new BrokenResourceError("The other end of the channel is closed, or its thread is gone.", {
      cause: this.cause,
    });
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
