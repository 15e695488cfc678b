/**
 * Streams of objects over a port, for tasks and for promise code.
 *
 * Invariant: an item is taken or sent in the very step in which its operation completes, so a cancelled one did not
 * happen; nobody overtakes whoever waits. The process is kept alive only while somebody waits here.
 */
import type { BridgeReceiveStream, BridgeSendStream } from "@anyloop/bridge";
import { type Operation, UsageError } from "@anyloop/core";
import { closing, HostLeaf, ReceiveStreamBase, type Strand } from "@anyloop/core/lowlevel";
import type { Port } from "./port.ts";
import { PortChannel } from "./port-channel.ts";

export interface PortStreamOptions {
  /** By which the two sides find each other; "stream" if not given. */
  readonly name?: string | undefined;
  /** Items that may be on their way to us or not yet received, 1 or more; 1024 if not given. The other side has its own. */
  readonly capacity?: number | undefined;
}

/** One side of a stream over a port. */
export interface PortStream<in Sent, out Received>
  extends BridgeSendStream<Sent>, BridgeReceiveStream<Received> {
  /**
   * Sends a clone of the item, as it is now; waits while the other side has no room. What is named in `transfer` (buffers,
   * ports) is handed over instead, and is of no use here afterwards.
   * @throws UsageError for an item that cannot be cloned: nothing was sent and nothing is lost. ClosedResourceError.
   * BrokenResourceError, with the cause: the other side wants no more, failed, or its thread or process is gone.
   */
  send(item: Sent, transfer?: readonly Transferable[]): Operation<void>;
  /** Ends our direction: the other side receives what was sent and then the end, and can still answer. */
  sendEof(): Operation<void>;
}

const defaultCapacity = 1024;

class Stream<Sent, Received> extends ReceiveStreamBase<Received> implements PortStream<Sent, Received> {
  readonly channel: PortChannel;
  readonly senders: Set<Send> = new Set();
  readonly receivers: Set<Receive<Received>> = new Set();

  constructor(port: Port, name: string, capacity: number) {
    super();
    this.channel = new PortChannel(port, name, capacity, () => this.settle());
  }

  send(item: Sent, transfer?: readonly Transferable[]): Operation<void> {
    return new Send(this, item, transfer);
  }

  receive(): Operation<Received> {
    return new Receive(this);
  }

  sendEof(): Operation<void> {
    return closing(() => {
      this.channel.end();
      this.settle();
    });
  }

  close(): Operation<void> {
    return closing(() => {
      this.channel.end();
      this.channel.stop();
      this.settle();
    });
  }

  fail(error: unknown): void {
    this.channel.end({ error });
    this.channel.stop({ error });
    this.settle();
  }

  abandon(reason: unknown): void {
    this.channel.stop({ error: reason });
    this.settle();
  }

  /** Wakes whoever can go on. Each may go on at once and change everything, so it is looked at anew for each. */
  private settle(): void {
    const { channel, receivers, senders } = this;
    for (const receiver of receivers) {
      if (channel.hasItem) {
        receivers.delete(receiver);
        receiver.resume(channel.take() as Received);
      } else {
        const problem = channel.receiveProblem();
        if (problem === undefined) break;
        receivers.delete(receiver);
        receiver.fail(problem);
      }
    }
    for (const sender of senders) {
      const problem = channel.sendProblem();
      if (problem === undefined && !channel.hasRoom) break;
      senders.delete(sender);
      if (problem === undefined) sender.proceed();
      else sender.fail(problem);
    }
  }
}

/** An operation that waits on a stream. */
abstract class Waiting<T> extends HostLeaf<T> {
  protected abstract readonly line: Set<this>;
  protected abstract readonly channel: PortChannel;

  protected queueUp(strand: Strand): IteratorResult<unknown, unknown> {
    this.line.add(this);
    this.channel.link.hold();
    return this.park(strand);
  }

  protected abort(): boolean {
    this.line.delete(this);
    return true;
  }

  protected override unpark(): Strand {
    this.channel.link.release();
    return super.unpark();
  }
}

class Send extends Waiting<void> {
  get label(): string {
    return "room at the other side of a port";
  }

  protected readonly line: Set<this>;
  protected readonly channel: PortChannel;
  private readonly item: unknown;
  private readonly transfer: readonly Transferable[] | undefined;

  constructor(
    { senders, channel }: Stream<never, unknown>,
    item: unknown,
    transfer: readonly Transferable[] | undefined,
  ) {
    super();
    checkItem(item);
    this.line = senders as Set<this>;
    this.channel = channel;
    this.item = item;
    this.transfer = transfer;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { channel } = this;
    const problem = channel.sendProblem();
    if (problem !== undefined) return this.refuse(strand, problem);
    if (!channel.hasRoom || this.line.size > 0) return this.queueUp(strand);
    try {
      channel.send(this.item, this.transfer);
    } catch (error) {
      return this.refuse(strand, error);
    }
    return this.complete(strand, undefined);
  }

  /** There is room now. */
  proceed(): void {
    try {
      this.channel.send(this.item, this.transfer);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.resume();
  }
}

class Receive<T> extends Waiting<T> {
  get label(): string {
    return "an item from the other side of a port";
  }

  protected readonly line: Set<this>;
  protected readonly channel: PortChannel;

  constructor({ receivers, channel }: Stream<never, T>) {
    super();
    this.line = receivers as Set<this>;
    this.channel = channel;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { channel } = this;
    if (this.line.size > 0) return this.queueUp(strand);
    if (channel.hasItem) return this.complete(strand, channel.take() as T);
    const problem = channel.receiveProblem();
    return problem === undefined ? this.queueUp(strand) : this.refuse(strand, problem);
  }
}

function checkItem(item: unknown): void {
  if (typeof item === "object" && item !== null && typeof (item as { then?: unknown }).then === "function") {
    throw new UsageError(
      "An operation or a promise is no item: it cannot be sent to another thread. Send what it gives.",
    );
  }
}

/**
 * Opens our side of a stream over a port: a `MessagePort`, a `Worker`, `parentPort` or `self` in one, a child process with
 * an IPC channel (`serialization: "advanced"`), `process` in one. The other side opens its own, with the same name; what
 * is sent waits for it. Next to a `Worker` or a process open it in the turn in which you start that, so that nothing is
 * missed. Small items are gathered and go out together, when the task waits and at the latest at the end of the turn.
 *
 * The port stays yours: `close` takes everything of the stream off it, and closes nothing else.
 *
 * ```ts
 * import { run } from "anyloop";
 * import { portStream } from "@anyloop/bridge-worker";
 *
 * const { port1, port2 } = new MessageChannel();
 * const here = portStream<string, number>(port1);
 * const there = portStream<number, string>(port2);
 * await run(function* () {
 *   yield* here.send("four");
 *   yield* there.send((yield* there.receive()).length);
 *   console.log(yield* here.receive()); // 4
 *   yield* here.close();
 *   yield* there.close();
 * });
 * ```
 *
 * @throws UsageError for what is no port, a name that is open there already, a capacity that cannot be.
 */
export function portStream<Sent, Received = Sent>(
  port: Port,
  { name = "stream", capacity = defaultCapacity }: PortStreamOptions = {},
): PortStream<Sent, Received> {
  if (!(capacity === Infinity || (Number.isInteger(capacity) && capacity >= 1))) {
    throw new UsageError(`The capacity is ${String(capacity)}. Give a whole number, 1 or more, or Infinity.`);
  }
  return new Stream(port, name, capacity);
}
