/**
 * The receiving half of a websocket: messages that came and were not received yet, and the task that waits for one.
 *
 * Invariant: a task waits only while nothing is stored, so messages come out in the order in which they came, and all of
 * them before the end.
 */
import { BusyResourceError, ClosedResourceError, type Operation } from "@anyloop/core";
import { Deque, HostLeaf, type Strand } from "@anyloop/core/lowlevel";
import type { Message } from "./message.ts";

/** Stored bytes with which the carrier is asked to read no more. */
const highWaterMark = 65_536;
/** What an empty message costs: a flood of them must fill the store as well. */
const messageOverhead = 64;

function costOf(message: Message): number {
  return message.length + messageOverhead;
}

class Receive extends HostLeaf<Message> {
  private readonly inbox: MessageInbox;

  constructor(inbox: MessageInbox) {
    super();
    this.inbox = inbox;
  }

  get label(): string {
    return "a message to come";
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { inbox } = this;
    const problem = inbox.problem();
    if (problem !== undefined) return this.refuse(strand, problem);
    const message = inbox.take();
    if (message !== undefined) return this.complete(strand, message);
    const { end } = inbox;
    if (end !== undefined) return this.refuse(strand, end());
    inbox.receiving = this;
    return this.park(strand);
  }

  protected abort(): boolean {
    this.inbox.receiving = undefined;
    return true;
  }
}

export class MessageInbox {
  /** Who waits. */
  receiving: Receive | undefined = undefined;
  /** Makes what every receive throws once nothing is left to take. */
  end: (() => Error) | undefined = undefined;
  private readonly stored = new Deque<Message>();
  private cost = 0;
  private isClosed = false;
  private readonly onRoom: () => void;

  /** `onRoom` is called when the store was full and is not any more. */
  constructor(onRoom: () => void) {
    this.onRoom = onRoom;
  }

  get hasRoom(): boolean {
    return this.cost < highWaterMark;
  }

  receive(): Operation<Message> {
    return new Receive(this);
  }

  store(message: Message): void {
    if (this.isClosed) return;
    this.stored.push(message);
    this.cost += costOf(message);
  }

  /** Gives the task that waits what has come, or the end. It may go on before this returns. */
  settle(): void {
    const { receiving } = this;
    if (receiving === undefined) return;
    const message = this.take();
    if (message === undefined && this.end === undefined) return;
    this.receiving = undefined;
    if (message !== undefined) receiving.resume(message);
    else if (this.end !== undefined) receiving.fail(this.end());
  }

  /** Nothing more will come; `settle` tells who waits. */
  finish(end: () => Error): void {
    this.end ??= end;
  }

  /** Nothing more is given, not even what has come. */
  close(): void {
    this.isClosed = true;
    while (this.take() !== undefined);
    const { receiving } = this;
    this.receiving = undefined;
    receiving?.fail(new ClosedResourceError());
  }

  problem(): Error | undefined {
    if (this.isClosed) return new ClosedResourceError();
    return this.receiving === undefined ? undefined : new BusyResourceError("receiving from");
  }

  take(): Message | undefined {
    const message = this.stored.shift();
    if (message === undefined) return undefined;
    const wasFull = !this.hasRoom;
    this.cost -= costOf(message);
    if (wasFull && this.hasRoom) this.onRoom();
    return message;
  }
}
