/**
 * The sending half of a websocket: hands messages to the carrier, and keeps the task that sends one waiting while the
 * carrier is full.
 *
 * Invariant: what the carrier was given goes out in order, whatever becomes of the task; a `send` that was cancelled gave
 * it nothing.
 */
import { BusyResourceError, ClosedResourceError, type Operation } from "@anyloop/core";
import { HostLeaf, type Strand } from "@anyloop/core/lowlevel";
import type { Carrier } from "./carrier.ts";
import type { Message } from "./message.ts";

class Send extends HostLeaf<void> {
  readonly message: Message;
  private readonly outbox: MessageOutbox;

  constructor(outbox: MessageOutbox, message: Message) {
    super();
    this.outbox = outbox;
    this.message = message;
  }

  get label(): string {
    return "room to send";
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { outbox } = this;
    const problem = outbox.endProblem() ?? outbox.problem();
    if (problem !== undefined) return this.refuse(strand, problem);
    if (outbox.carrier.isFull) {
      outbox.sending = this;
      return this.park(strand);
    }
    outbox.carrier.send(this.message);
    return this.complete(strand, undefined);
  }

  protected abort(): boolean {
    this.outbox.sending = undefined;
    return true;
  }
}

export class MessageOutbox {
  /** Who waits. */
  sending: Send | undefined = undefined;
  readonly carrier: Carrier;
  private isEnded = false;
  private isClosed = false;
  private end: (() => Error) | undefined = undefined;

  constructor(carrier: Carrier) {
    this.carrier = carrier;
  }

  send(message: Message): Operation<void> {
    return new Send(this, message);
  }

  /** There may be room again. A task may go on before this returns. */
  drained(): void {
    const { sending, carrier } = this;
    if (sending === undefined || carrier.isFull) return;
    this.sending = undefined;
    carrier.send(sending.message);
    sending.resume();
  }

  /** Nothing can be sent any more; `settle` tells who waits. */
  finish(end: () => Error): void {
    this.end ??= end;
  }

  /** Makes the task that waits throw what `finish` was given. It may go on before this returns. */
  settle(): void {
    if (this.end !== undefined) this.failSending(this.end());
  }

  /** This side has said its last word. */
  sendEof(): void {
    this.isEnded = true;
  }

  close(): void {
    this.isClosed = true;
    this.failSending(new ClosedResourceError());
  }

  /** Why nothing can be done in this direction. */
  problem(): Error | undefined {
    if (this.isClosed) return new ClosedResourceError();
    if (this.sending !== undefined) return new BusyResourceError("sending to");
    return this.end?.();
  }

  /** Why nothing can be sent after `sendEof`. */
  endProblem(): Error | undefined {
    return this.isEnded && !this.isClosed
      ? new ClosedResourceError("The sending direction was ended by sendEof().")
      : undefined;
  }

  private failSending(error: Error): void {
    const { sending } = this;
    this.sending = undefined;
    sending?.fail(error);
  }
}
