/**
 * What is between two ports: named channels, whose messages go out together, one message of the port for each turn.
 *
 * Invariant: there is one link for a port, and it listens exactly while a channel of it is open. What a channel posts
 * arrives in that order. What one message of the port brings is taken in whole before anybody is told of it.
 *
 * Messages are flat: a tag, and then, for each, the id of the channel, its kind and its content. A channel has an id,
 * which its own side gives it and puts on all that it posts, and a name, by which the two sides find each other. An
 * "open" that comes before our side has opened is kept; one that was lost, because nobody listened yet, is made up for by
 * the answer to ours.
 */
import { UsageError } from "@anyloop/core";
import { whenBlocked } from "@anyloop/core/lowlevel";
import { type Port, type Wire, wireOf } from "./port.ts";

/** The kinds of messages. */
export const kinds = { open: 0, item: 1, items: 2, room: 3, end: 4, stop: 5 } as const;

/** Tells our messages from others on the same port, and from those of versions that speak otherwise. */
const tag = 0x616e_7901;

/** Cannot be said in JSON: a process with which we could only talk in JSON, which loses values, is found out at once. */
const probe = 1n;

/** What is in an "open": `answered` is the id of the other side's channel, or 0 if it has not been heard of. */
type Opening = readonly [name: string, capacity: number, answered: number, probe: bigint];

/** One side of a channel, as its link sees it. */
export interface Linked {
  readonly id: number;
  readonly name: string;
  readonly capacity: number;
  /** Whether it answers what the other side asks for. */
  readonly serves: boolean;
  /** A message has come. */
  accept(kind: number, content: unknown): void;
  /** The port is gone. */
  breakOff(cause: unknown): void;
  /** All that came was accepted: whoever waits can be woken. */
  changed(): void;
}

/** What the other side has opened and we have not, and what it has said there. */
interface Stranger {
  readonly name: string;
  readonly said: [kind: number, content: unknown][];
}

let lastId = 0;

export function newId(): number {
  return ++lastId;
}

export class Link {
  private static readonly links = new WeakMap<Port, Link>();

  /** The link of a port, there already or not. */
  static of(port: Port): Link {
    let link = Link.links.get(port);
    if (link === undefined) Link.links.set(port, (link = new Link(port)));
    return link;
  }

  private readonly wire: Wire;
  private readonly channels = new Map<string, Linked>();
  /** Ours, by the ids of their other sides. */
  private readonly bound = new Map<number, Linked>();
  private readonly strangers = new Map<number, Stranger>();
  /** What goes out next. */
  private batch: unknown[] = [tag];
  private stop: (() => void) | undefined = undefined;
  private gone: { readonly cause: unknown } | undefined = undefined;
  private waiting = 0;
  private isKept = false;
  private isReading = false;

  private constructor(port: Port) {
    this.wire = wireOf(port);
  }

  /** Opens our side. @throws UsageError if the name is taken, or if the port cannot carry structured clones. */
  add(channel: Linked): void {
    const { name } = channel;
    if (this.channels.has(name)) {
      throw new UsageError(
        `"${name}" is open on this port already. Close it first, or give one of them another name.`,
      );
    }
    this.channels.set(name, channel);
    this.listen();
    if (this.gone !== undefined) {
      channel.breakOff(this.gone.cause);
      return;
    }
    const [id, stranger] = this.strangerCalled(name);
    this.announce(channel, id);
    if (stranger !== undefined) this.acquaint(channel, id, stranger);
  }

  /** Nothing more is to be said or heard there. */
  remove(channel: Linked): void {
    if (this.channels.get(channel.name) !== channel) return;
    this.channels.delete(channel.name);
    for (const [id, ours] of this.bound) if (ours === channel) this.bound.delete(id);
    if (this.channels.size > 0) return;
    this.flush();
    this.strangers.clear();
    this.stopListening();
  }

  /** Says something at the end of the turn. */
  post(channel: Linked, kind: number, content: unknown): void {
    if (this.channels.get(channel.name) !== channel) return;
    if (this.batch.length === 1) whenBlocked(this.flush);
    this.batch.push(channel.id, kind, content);
  }

  /** Says something now, behind what was said before. @throws what the host throws for what cannot be cloned. */
  postNow(channel: Linked, kind: number, content: unknown, transfer: readonly Transferable[]): void {
    this.flush();
    this.wire.post([tag, channel.id, kind, content], transfer);
  }

  /** What is being gathered, to tell whether something said before can still be added to. */
  get gathering(): unknown {
    return this.batch;
  }

  /** Somebody waits: the process lives. */
  hold(): void {
    this.waiting++;
    this.updateLife();
  }

  release(): void {
    this.waiting--;
    // Whoever is woken by a message often waits for the next before the message is done with.
    if (!this.isReading) this.updateLife();
  }

  private updateLife(): void {
    const isKept = this.waiting > 0;
    if (isKept === this.isKept || this.stop === undefined) return;
    this.isKept = isKept;
    this.wire.keepAlive(isKept);
  }

  private readonly flush = (): void => {
    const { batch } = this;
    if (batch.length === 1) return;
    this.batch = [tag];
    unwrap(batch);
    try {
      this.wire.post(batch, []);
    } catch (error) {
      this.onGone(error);
    }
  };

  private listen(): void {
    if (this.stop !== undefined || this.gone !== undefined) return;
    let isGone = false;
    const stop = this.wire.listen(this.onMessage, (cause) => {
      isGone = true;
      this.onGone(cause);
    });
    if (isGone) stop();
    else this.stop = stop;
    this.updateLife();
  }

  private stopListening(): void {
    this.stop?.();
    this.stop = undefined;
    this.isKept = false;
  }

  private announce(channel: Linked, answered: number): void {
    const opening: Opening = [channel.name, channel.capacity, answered, probe];
    try {
      this.postNow(channel, kinds.open, opening, []);
    } catch (error) {
      this.remove(channel);
      throw new UsageError(
        'This port carries no structured clones. Start the process with { serialization: "advanced" }.',
        { cause: error },
      );
    }
  }

  private strangerCalled(name: string): [id: number, stranger: Stranger | undefined] {
    for (const [id, stranger] of this.strangers) if (stranger.name === name) return [id, stranger];
    return [0, undefined];
  }

  private acquaint(channel: Linked, id: number, { said }: Stranger): void {
    this.strangers.delete(id);
    this.bound.set(id, channel);
    for (const [kind, content] of said) channel.accept(kind, content);
  }

  private readonly onMessage = (message: unknown): void => {
    if (!Array.isArray(message) || message[0] !== tag) return;
    this.isReading = true;
    const told: Linked[] = [];
    for (let at = 1; at < message.length; at += 3) {
      const channel = this.read(message[at] as number, message[at + 1] as number, message[at + 2]);
      if (channel !== undefined && !told.includes(channel)) told.push(channel);
    }
    tell(told);
    this.isReading = false;
    this.updateLife();
    // What was said in answer need not wait: this is the end of a turn.
    this.flush();
  };

  /** Gives the channel that accepted it, if one did. */
  private read(id: number, kind: number, content: unknown): Linked | undefined {
    if (kind === kinds.open && !this.hear(id, content as Opening)) return undefined;
    const channel = this.bound.get(id);
    if (channel === undefined) this.strangers.get(id)?.said.push([kind, content]);
    else channel.accept(kind, content);
    return channel;
  }

  /** The other side has opened a channel: finds the one of ours, or keeps the name. False if it is nothing new. */
  private hear(id: number, [name, , answered]: Opening): boolean {
    if (this.bound.has(id) || this.strangers.has(id)) return false;
    const ours = this.channels.get(name);
    const isForOurs = ours !== undefined && !this.isBound(ours) && (answered === 0 || answered === ours.id);
    if (isForOurs) {
      this.bound.set(id, ours);
      // It may have opened after ours was said, and not have heard it.
      if (answered === 0) this.announce(ours, id);
    } else if (answered === 0) {
      this.strangers.set(id, { name, said: [] });
    }
    return true;
  }

  private isBound(channel: Linked): boolean {
    for (const ours of this.bound.values()) if (ours === channel) return true;
    return false;
  }

  private readonly onGone = (cause: unknown): void => {
    if (this.gone !== undefined) return;
    this.gone = { cause };
    this.stopListening();
    const channels = [...this.channels.values()];
    for (const channel of channels) channel.breakOff(cause);
    tell(channels);
  };
}

/**
 * Who serves the other side is told first: what the others are told may wake somebody at once, who puts into a queue what
 * would be handed to one who has just left, and be lost.
 */
function tell(channels: readonly Linked[]): void {
  for (const channel of channels) if (channel.serves) channel.changed();
  for (const channel of channels) if (!channel.serves) channel.changed();
}

/** A single item is sent without the array that gathers more: that would be a third of what a short message costs. */
function unwrap(batch: unknown[]): void {
  const [, , kind, content] = batch;
  if (batch.length !== 4 || kind !== kinds.items || (content as readonly unknown[]).length !== 1) return;
  batch[2] = kinds.item;
  batch[3] = (content as readonly unknown[])[0];
}
