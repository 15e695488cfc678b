/**
 * Channels of objects between a run and a thread.
 *
 * Invariant: as in `channel-end.ts`, which both ends use; here an item is taken or sent in the very step in which the
 * operation completes, so a cancelled one did not happen.
 */
import { MessageChannel, type MessagePort } from "node:worker_threads";
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
  /** Hands a clone over; waits first while `capacity` items are not taken yet. @throws UsageError for what cannot be cloned. */
  send(item: Sent): Operation<void>;
  /** Ends the sending direction; the thread sees the end and can still answer. */
  sendEof(): Operation<void>;
}

/** The end of a channel that a thread has. It is closed when the thread's function has ended. */
export interface ThreadPort<in Sent, out Received> extends AsyncIterable<Received> {
  /** Waits while `capacity` items are not taken yet. */
  send(item: Sent): Promise<void>;
  /** Rejects with an error whose `name` is "EndOfStream" when nothing more will come. */
  receive(): Promise<Received>;
  sendEof(): void;
  close(): void;
}

const defaultCapacity = 16;

class ThreadStreamEnd<Sent, Received>
  extends ObjectReceiver<Received>
  implements ThreadStream<Sent, Received>
{
  private readonly port: MessagePort;
  private readonly change = new Change();
  private readonly end: ChannelEnd;
  private state: "open" | "ended" | "closed" = "open";
  private waiting = 0;

  constructor(port: MessagePort, capacity: number) {
    super();
    this.port = port;
    this.end = openChannelEnd(port, capacity, this.change.happened);
    port.unref();
  }

  send(item: Sent): Operation<void> {
    return perform(this, this.doSend, item);
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

  private *doSend(item: Sent): Coroutine<void> {
    yield* checkpointIfCancelled();
    for (;;) {
      if (this.state !== "open") throw new ClosedResourceError();
      if (this.end.isGone) throw gone();
      if (this.end.room > 0) break;
      yield* this.waitForChange();
    }
    try {
      this.end.post(item);
    } catch (error) {
      throw new UsageError(`This item cannot be sent to a thread: ${String(error)}`, { cause: error });
    }
  }

  private *doReceive(): Coroutine<Received> {
    yield* checkpointIfCancelled();
    for (;;) {
      if (this.state === "closed") throw new ClosedResourceError();
      if (this.end.inbox.length > 0) return this.end.take() as Received;
      if (this.end.hasEnded) throw new EndOfStream();
      if (this.end.isGone) throw gone();
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
}

function gone(): BrokenResourceError {
  return new BrokenResourceError("The other end of the channel is closed, or its thread is gone.");
}

/** What stands for the thread's end until it has got there. */
class UnsentPort {
  readonly port: MessagePort;
  readonly capacity: number;

  constructor(port: MessagePort, capacity: number) {
    this.port = port;
    this.capacity = capacity;
  }
}

/** The port of a channel's far end; undefined for anything else. */
export function portOf(
  argument: unknown,
): { readonly port: MessagePort; readonly capacity: number } | undefined {
  return argument instanceof UnsentPort ? argument : undefined;
}

/**
 * Makes a channel between this run and a thread: the first end is ours, the second is to be passed, once, as an argument
 * of `runInThread`. At most `capacity` (16 if not given) items of one direction are on their way or not yet taken.
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
  if (!Number.isInteger(capacity) || capacity < 1)
    throw new UsageError(`The capacity is ${String(capacity)}. Give a whole number, 1 or more.`);
  const { port1, port2 } = new MessageChannel();
  const there: unknown = new UnsentPort(port2, capacity);
  return [new ThreadStreamEnd(port1, capacity), there as ThreadPort<FromThread, ToThread>];
}
