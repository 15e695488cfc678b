/**
 * One side of a channel between two ports: what may be sent, what has come, and how it ends in each direction.
 *
 * Invariant: of what one side sends, no more than `capacity` of the other are on their way or not yet taken: an item is
 * sent only for room that the other side has given. An item is sent whole or not at all; what was sent before the end is
 * received before it. Only this file knows the messages; it waits for nothing.
 */
import { BrokenResourceError, ClosedResourceError, EndOfStream, UsageError } from "@anyloop/core";
import { Deque } from "@anyloop/core/lowlevel";
import { kinds, Link, type Linked, newId } from "./link.ts";
import type { Port } from "./port.ts";
import { packError, type SentError, unpackError } from "./sent-error.ts";
import { snapshot, unsettled } from "./snapshot.ts";

/** Why a direction ended, where it did not end in order. */
interface Failure {
  readonly error: unknown;
}

/** How a direction ended. */
interface Ending {
  readonly failure: Failure | undefined;
}

export class PortChannel implements Linked {
  readonly id: number = newId();
  readonly name: string;
  readonly capacity: number;
  readonly serves: boolean;
  readonly link: Link;
  /** Has come, and was not taken. */
  private readonly inbox = new Deque<unknown>();
  private readonly onChange: () => void;
  /** Room is given back in halves of what there is: a message for each item would double the traffic. */
  private readonly portion: number;
  private taken = 0;
  private room = 0;
  /** The items that were said last, while more can be added to them: as long as this is what the link gathers. */
  private items: unknown[] = [];
  private gathering: unknown = undefined;
  private hasEnded = false;
  private hasStopped = false;
  /** How the other side ended what it sends, once it has. */
  private supply: Ending | undefined = undefined;
  /** Why the other side wants no more, once it does not. */
  private refusal: Ending | undefined = undefined;

  /** `onChange` is called after something has come. */
  constructor(port: Port, name: string, capacity: number, onChange: () => void, serves = false) {
    this.name = name;
    this.capacity = capacity;
    this.serves = serves;
    this.portion = Math.ceil(capacity / 2);
    this.onChange = onChange;
    this.link = Link.of(port);
    this.link.add(this);
  }

  get hasItem(): boolean {
    return this.inbox.size > 0;
  }

  get hasRoom(): boolean {
    return this.room > 0;
  }

  /** Takes the next item; only if there is one. */
  take(): unknown {
    const item = this.inbox.shift();
    if (++this.taken >= this.portion) {
      this.link.post(this, kinds.room, this.taken);
      this.taken = 0;
    }
    return item;
  }

  /** Sends an item; only if there is room. @throws UsageError if it cannot be cloned; it then was not sent. */
  send(item: unknown, transfer: readonly Transferable[] | undefined): void {
    const settled = transfer === undefined ? snapshot(item) : unsettled;
    if (settled === unsettled) this.sendNow(item, transfer ?? []);
    else this.gather(settled);
    this.room--;
  }

  /** Nothing more will be sent. Again does nothing. */
  end(failure?: Failure): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.link.post(this, kinds.end, failure && packError(failure.error));
    this.leave();
  }

  /** Nothing more is wanted; what has come is dropped. Again does nothing. */
  stop(reason?: Failure): void {
    if (this.hasStopped) return;
    this.hasStopped = true;
    while (this.inbox.size > 0) this.inbox.shift();
    this.link.post(this, kinds.stop, reason && packError(reason.error));
    this.leave();
  }

  /** Why nothing can be sent. */
  sendProblem(): Error | undefined {
    if (this.hasEnded) return new ClosedResourceError();
    return this.refusal && broken("The other side wants no more.", this.refusal.failure);
  }

  /** Why nothing will come, once there is no item. */
  receiveProblem(): Error | undefined {
    if (this.hasStopped) return new ClosedResourceError();
    if (this.supply === undefined) return undefined;
    const { failure } = this.supply;
    return failure === undefined ? new EndOfStream() : broken("The other side failed.", failure);
  }

  accept(kind: number, content: unknown): void {
    switch (kind) {
      case kinds.open:
        this.room = (content as readonly [name: string, capacity: number])[1];
        break;
      case kinds.item:
        if (!this.hasStopped) this.inbox.push(content);
        break;
      case kinds.items:
        if (!this.hasStopped) for (const item of content as readonly unknown[]) this.inbox.push(item);
        break;
      case kinds.room:
        this.room += content as number;
        break;
      case kinds.end:
        this.supply = ending(content);
        this.leave();
        break;
      case kinds.stop:
        this.refusal = ending(content);
        this.leave();
        break;
    }
  }

  breakOff(cause: unknown): void {
    const failure = { error: cause };
    this.supply ??= { failure };
    this.refusal ??= { failure };
    this.leave();
  }

  changed(): void {
    this.onChange();
  }

  private gather(item: unknown): void {
    const { link } = this;
    if (this.gathering === link.gathering) {
      this.items.push(item);
      return;
    }
    this.items = [item];
    link.post(this, kinds.items, this.items);
    this.gathering = link.gathering;
  }

  private sendNow(item: unknown, transfer: readonly Transferable[]): void {
    try {
      this.link.postNow(this, kinds.item, item, transfer);
    } catch (error) {
      if (error instanceof UsageError) throw error;
      throw new UsageError(
        `This item cannot be sent to another thread: ${String(error)} Send what structuredClone can copy.`,
        { cause: error },
      );
    }
  }

  /** Lets the link go once both directions are over. */
  private leave(): void {
    const sendsNoMore = this.hasEnded || this.refusal !== undefined;
    const hearsNoMore = this.hasStopped || this.supply !== undefined;
    if (sendsNoMore && hearsNoMore) this.link.remove(this);
  }
}

function ending(content: unknown): Ending {
  return { failure: content === undefined ? undefined : { error: unpackError(content as SentError) } };
}

function broken(how: string, failure: Failure | undefined): BrokenResourceError {
  return new BrokenResourceError(how, failure === undefined ? undefined : { cause: failure.error });
}
