/**
 * The receiving half of a socket: what came and nobody has taken yet.
 *
 * Invariant: while a task waits nothing is stored, so a task is resumed in the very callback that brought its bytes.
 * Bytes come out in the order in which they came, and all of them before the end or the error that followed.
 */
import type { Socket } from "node:net";
import { BusyResourceError, ClosedResourceError, type Operation, UsageError } from "@anyloop/core";
import { type AbortFn, Deque, suspendOnHost, type Waiter } from "@anyloop/core/lowlevel";

/** Bytes stored from which on the socket is not read any more. */
const highWaterMark = 65_536;

/** Most bytes that one `receive()` gives. */
export const defaultMaxBytes = 65_536;

const nothing = new Uint8Array(0);

export class Inbox {
  private readonly socket: Socket;
  /** Called when a task is about to wait. */
  private readonly beforeWaiting: () => void;
  private chunks = new Deque<Uint8Array>();
  /** What was left of a chunk of which a part was taken; comes before `chunks`. */
  private rest: Uint8Array | undefined = undefined;
  private stored = 0;
  private isPaused = false;
  /** What every receive throws once nothing is stored. */
  private makeError: (() => Error) | undefined = undefined;
  /** Who waits: for a number of bytes if `target` is given, otherwise for the bytes. */
  private waiter: Waiter<never> | undefined = undefined;
  private target: Uint8Array | undefined = undefined;
  private maxBytes = 0;
  /** One for all: receiving makes no closure of its own unless it is given a limit. */
  private readonly receiveAny = (waiter: Waiter<Uint8Array>): AbortFn | void =>
    this.begin(waiter, defaultMaxBytes);
  private readonly abandon: AbortFn = () => {
    this.waiter = undefined;
    this.target = undefined;
    return true;
  };

  constructor(socket: Socket, beforeWaiting: () => void) {
    this.socket = socket;
    this.beforeWaiting = beforeWaiting;
  }

  receive(maxBytes: number): Operation<Uint8Array> {
    if (maxBytes === defaultMaxBytes) return suspendOnHost(this.receiveAny);
    if (!Number.isInteger(maxBytes) || maxBytes < 1) {
      throw new UsageError(`maxBytes is ${String(maxBytes)}. Give a whole number, 1 or more.`);
    }
    return suspendOnHost((waiter: Waiter<Uint8Array>) => this.begin(waiter, maxBytes));
  }

  receiveInto(target: Uint8Array): Operation<number> {
    if (target.length === 0) throw new UsageError("The buffer is empty. Give one of at least one byte.");
    return suspendOnHost((waiter: Waiter<number>) => this.beginInto(waiter, target));
  }

  /** Bytes came. A task may go on before this returns. */
  readonly push = (chunk: Uint8Array): void => {
    const { waiter, target } = this;
    if (waiter === undefined) {
      this.store(chunk);
      return;
    }
    this.waiter = undefined;
    this.target = undefined;
    const limit = target?.length ?? this.maxBytes;
    let taken = chunk;
    if (chunk.length > limit) {
      taken = chunk.subarray(0, limit);
      this.stored = chunk.length - limit;
      this.rest = chunk.subarray(limit);
    }
    if (target === undefined) {
      (waiter as Waiter<unknown> as Waiter<Uint8Array>).resume(taken);
    } else {
      target.set(taken);
      (waiter as Waiter<unknown> as Waiter<number>).resume(taken.length);
    }
  };

  /** Nothing more will come: what is stored can still be taken, then the error is thrown. The first call counts. */
  end(makeError: () => Error): void {
    if (this.makeError !== undefined) return;
    this.makeError = makeError;
    this.failWaiter(makeError);
  }

  /** Drops what is stored. */
  close(): void {
    this.makeError = () => new ClosedResourceError();
    this.stored = 0;
    this.rest = undefined;
    this.chunks = new Deque();
    this.failWaiter(this.makeError);
  }

  private failWaiter(makeError: () => Error): void {
    const { waiter } = this;
    this.waiter = undefined;
    this.target = undefined;
    waiter?.fail(makeError());
  }

  private begin(waiter: Waiter<Uint8Array>, maxBytes: number): AbortFn | void {
    if (!this.mustWait()) {
      waiter.resume(this.take(maxBytes));
      return undefined;
    }
    this.maxBytes = maxBytes;
    this.waiter = waiter;
    return this.abandon;
  }

  private beginInto(waiter: Waiter<number>, target: Uint8Array): AbortFn | void {
    if (!this.mustWait()) {
      const taken = this.take(target.length);
      target.set(taken);
      waiter.resume(taken.length);
      return undefined;
    }
    this.target = target;
    this.waiter = waiter;
    return this.abandon;
  }

  private mustWait(): boolean {
    if (this.waiter !== undefined) throw new BusyResourceError("receiving from");
    if (this.stored > 0) return false;
    if (this.makeError !== undefined) throw this.makeError();
    this.beforeWaiting();
    return true;
  }

  private store(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.stored += chunk.length;
    if (this.stored < highWaterMark || this.isPaused) return;
    this.isPaused = true;
    this.socket.pause();
  }

  private take(maxBytes: number): Uint8Array {
    const chunk = this.rest ?? this.chunks.shift() ?? nothing;
    const taken = chunk.length > maxBytes ? chunk.subarray(0, maxBytes) : chunk;
    this.rest = taken === chunk ? undefined : chunk.subarray(maxBytes);
    this.stored -= taken.length;
    if (this.stored === 0 && this.isPaused) {
      this.isPaused = false;
      this.socket.resume();
    }
    return taken;
  }
}
