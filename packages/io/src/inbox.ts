/**
 * The receiving half of a socket. What nobody waits for stays in the runtime's own buffer, which stops reading when it is
 * full; what a task waits for goes to it directly, in the very callback that brought it.
 *
 * Invariant: a task waits only while the runtime's buffer is empty, so bytes come out in the order in which they came,
 * and all of them before the end or the error that followed.
 */
import { Socket } from "node:net";
import { BusyResourceError, ClosedResourceError, type Operation, UsageError } from "@anyloop/core";
import { HostLeaf, type Strand } from "@anyloop/core/lowlevel";
import { checkMaxBytes } from "./byte-arguments.ts";

/** Takes bytes, at once or when some come. Gives them, or, with a target, their number. */
class Receive extends HostLeaf<unknown> {
  readonly maxBytes: number;
  private readonly inbox: Inbox;
  private readonly target: Uint8Array | undefined;

  constructor(inbox: Inbox, maxBytes: number, target: Uint8Array | undefined) {
    super();
    this.inbox = inbox;
    this.maxBytes = maxBytes;
    this.target = target;
  }

  get label(): string {
    return "bytes to come";
  }

  /** What the operation gives for these bytes. */
  given(bytes: Uint8Array): unknown {
    if (this.target === undefined) return bytes;
    this.target.set(bytes);
    return bytes.length;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { inbox } = this;
    const problem = inbox.problem();
    if (problem !== undefined) return this.refuse(strand, problem);
    const bytes = inbox.take(this.maxBytes);
    if (bytes !== undefined) return this.complete(strand, this.given(bytes));
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

const inboxOf = Symbol("anyloop.inbox");

/**
 * The short way of what comes, for all sockets: a function for each is more to be fetched for each message. A runtime that
 * does not come by here still says that the socket is readable.
 */
function handOrPush(this: Socket & { readonly [inboxOf]: Inbox }, chunk: Uint8Array | null): boolean {
  return this[inboxOf].hand(chunk) || Socket.prototype.push.call(this, chunk);
}

export class Inbox {
  /** Who waits. */
  receiving: Receive | undefined = undefined;
  /** Makes what every receive throws once nothing is left to take. */
  end: (() => Error) | undefined = undefined;
  private readonly socket: Socket;
  private isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    Object.assign(socket, { [inboxOf]: this, push: handOrPush });
    socket.on("readable", () => this.onReadable());
  }

  receive(maxBytes: number): Operation<Uint8Array> {
    checkMaxBytes(maxBytes);
    return new Receive(this, maxBytes, undefined) as Operation<unknown> as Operation<Uint8Array>;
  }

  receiveInto(target: Uint8Array): Operation<number> {
    if (target.length === 0) throw new UsageError("The buffer is empty. Give one of at least one byte.");
    return new Receive(this, target.length, target) as Operation<unknown> as Operation<number>;
  }

  /** Nothing more will come. The first call counts. A task may go on before this returns. */
  finish(end: () => Error): void {
    if (this.end !== undefined) return;
    this.end = end;
    this.failReceiving(end);
  }

  /** Nothing more is given, not even what has come. */
  close(): void {
    this.isClosed = true;
    this.failReceiving(() => new ClosedResourceError());
  }

  problem(): Error | undefined {
    if (this.isClosed) return new ClosedResourceError();
    return this.receiving === undefined ? undefined : new BusyResourceError("receiving from");
  }

  /** What has come and was not taken yet, if anything. */
  take(maxBytes: number): Uint8Array | undefined {
    const { socket } = this;
    const { readableLength } = socket;
    if (readableLength === 0) return undefined;
    const bytes = socket.read(Math.min(maxBytes, readableLength)) as Uint8Array | null;
    // The end may have come behind it, and is told only to somebody who looks.
    if (socket.readableLength === 0) socket.read(0);
    return bytes ?? undefined;
  }

  /** Gives the task that waits what has just come; false if it is for the runtime's buffer. */
  hand(chunk: Uint8Array | null): boolean {
    const { receiving } = this;
    if (receiving === undefined || chunk === null) return false;
    // More than the task wants is stored, and it takes its part from there; nothing overtakes that.
    if (chunk.length > receiving.maxBytes || this.socket.readableLength > 0) return false;
    this.receiving = undefined;
    receiving.resume(receiving.given(chunk));
    return true;
  }

  private onReadable(): void {
    const { receiving, socket } = this;
    // The runtime tells the end only to somebody who has looked.
    if (socket.readableLength === 0) socket.read(0);
    const bytes = receiving === undefined ? undefined : this.take(receiving.maxBytes);
    if (receiving === undefined || bytes === undefined) return;
    this.receiving = undefined;
    receiving.resume(receiving.given(bytes));
  }

  private failReceiving(makeError: () => Error): void {
    const { receiving } = this;
    this.receiving = undefined;
    receiving?.fail(makeError());
  }
}
