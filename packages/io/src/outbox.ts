/**
 * The sending half of a socket. A write costs more than all else that is done for a short message, so what a task sends
 * goes out in one: when the task blocks or ends, at the end of the drain, or past 64 kB.
 *
 * Invariant: what `send` has accepted goes out in order, whatever becomes of the task; what it has not accepted never
 * does. Once `send` has come back the data is the caller's again: small pieces were copied, and for large ones it waits
 * until the system has them.
 */
import type { Socket } from "node:net";
import { BusyResourceError, ClosedResourceError, type Operation } from "@anyloop/core";
import { type AbortFn, suspendOnHost, type Waiter, whenBlocked } from "@anyloop/core/lowlevel";
import { Batch } from "./batch.ts";

/** Bytes with which a batch is written at once, and with which, still unwritten, the next `send` waits. */
const highWaterMark = 65_536;
const nothing = new Uint8Array(0);

/** Those that have gathered something. */
const dirty: Outbox[] = [];
const requested = { block: false, tick: false };

function flushDirty(): void {
  for (const outbox of dirty) outbox.clean();
  dirty.length = 0;
}

function onBlocked(): void {
  requested.block = false;
  flushDirty();
}

/** After the microtasks: an async body that goes on at once has not blocked. */
function onTick(): void {
  requested.tick = false;
  flushDirty();
}

export class Outbox {
  private readonly socket: Socket;
  private readonly batch = new Batch();
  private isDirty = false;
  private isEnded = false;
  private isClosed = false;
  /** The socket will call back once everything written so far has gone. */
  private isAsked = false;
  /** The task that waits, and what it still wants to send; undefined once that was accepted. */
  private waiter: Waiter<void> | undefined = undefined;
  private unsent: Uint8Array | undefined = undefined;
  private wasAccepted = false;
  private error: Error | undefined = undefined;
  private isReported = false;

  private readonly onWritten = (): void => {
    this.isAsked = false;
    const { waiter, unsent } = this;
    if (waiter === undefined) return;
    if (this.socket.writableLength > 0) {
      // The callback was asked for by somebody who was cancelled, and more was sent since.
      this.ask();
      return;
    }
    this.stopWaiting();
    if (unsent === undefined) waiter.resume();
    else this.accept(waiter, unsent);
  };

  private readonly abort: AbortFn = () => {
    const { waiter, wasAccepted } = this;
    this.stopWaiting();
    if (!wasAccepted) return true;
    waiter?.resume();
    return false;
  };

  private readonly beginFlush = (waiter: Waiter<void>): AbortFn | void => {
    this.check();
    this.writeGathered();
    return this.waitUntilWritten(waiter);
  };

  private readonly beginFinish = (waiter: Waiter<void>): AbortFn | void => {
    this.writeGathered();
    if (this.error !== undefined && !this.isReported) throw this.report(this.error);
    this.end();
    return this.waitUntilWritten(waiter);
  };

  constructor(socket: Socket) {
    this.socket = socket;
  }

  send(data: Uint8Array): Operation<void> {
    return suspendOnHost((waiter: Waiter<void>) => this.begin(waiter, data));
  }

  /** Waits until the system has everything. */
  flush(): Operation<void> {
    return suspendOnHost(this.beginFlush);
  }

  /** For a graceful close: waits until the system has everything, and throws an error that nobody was told of. */
  finish(): Operation<void> {
    return suspendOnHost(this.beginFinish);
  }

  /** Ends the direction, after everything that was sent. Throws what a send would throw. */
  sendEof(): void {
    if (this.isEnded && !this.isClosed) return;
    this.check();
    this.writeGathered();
    this.end();
  }

  /** The socket broke: every send throws the error from now on. `wake` tells who waits. */
  break(error: Error, isFromReading: boolean): void {
    // With nothing under way a connection that breaks has cost nothing: closing it need not fail.
    this.isReported = isFromReading && this.batch.size === 0 && this.waiter === undefined;
    this.error = error;
    this.batch.clear();
  }

  /** Makes the task that waits throw the error. It may go on before this returns. */
  wake(): void {
    if (this.error !== undefined) this.failWaiter(this.error);
  }

  /** Nothing more is accepted; what was goes out, if `finish` is given the time. */
  close(): void {
    this.isClosed = true;
    this.failWaiter(new ClosedResourceError());
  }

  /** Marks the error as told. */
  report(error: Error): Error {
    this.isReported = true;
    return error;
  }

  writeGathered(): void {
    if (this.batch.size > 0) this.batch.writeTo(this.socket);
  }

  /** Out of the list of the dirty. */
  clean(): void {
    this.isDirty = false;
    this.writeGathered();
  }

  private begin(waiter: Waiter<void>, data: Uint8Array): AbortFn | void {
    this.check();
    if (this.isEnded) throw new ClosedResourceError("The sending direction was ended by sendEof().");
    if (data.length === 0) {
      waiter.resume();
      return undefined;
    }
    if (this.socket.writableLength < highWaterMark) return this.accept(waiter, data);
    this.unsent = data;
    return this.wait(waiter);
  }

  /** From here on the data will go out, whether the task is cancelled or not. */
  private accept(waiter: Waiter<void>, data: Uint8Array): AbortFn | void {
    if (data.length < highWaterMark) {
      this.gather(data);
      waiter.resume();
      return undefined;
    }
    this.writeGathered();
    this.socket.write(data);
    this.wasAccepted = true;
    return this.waitUntilWritten(waiter);
  }

  private gather(data: Uint8Array): void {
    this.batch.add(data);
    if (this.batch.size >= highWaterMark) {
      this.batch.writeTo(this.socket);
    } else if (!this.isDirty) {
      this.isDirty = true;
      dirty.push(this);
      if (!requested.block) {
        requested.block = true;
        whenBlocked(onBlocked);
      }
      if (!requested.tick) {
        requested.tick = true;
        process.nextTick(onTick);
      }
    }
  }

  private waitUntilWritten(waiter: Waiter<void>): AbortFn | void {
    if (this.socket.writableLength > 0) return this.wait(waiter);
    this.wasAccepted = false;
    waiter.resume();
    return undefined;
  }

  private wait(waiter: Waiter<void>): AbortFn {
    this.waiter = waiter;
    this.ask();
    return this.abort;
  }

  /** Wants `onWritten`. The end of the direction brings it anyway. */
  private ask(): void {
    if (this.isAsked || this.isEnded) return;
    this.isAsked = true;
    this.socket.write(nothing, this.onWritten);
  }

  private stopWaiting(): void {
    this.waiter = undefined;
    this.unsent = undefined;
    this.wasAccepted = false;
  }

  private failWaiter(error: Error): void {
    const { waiter } = this;
    this.stopWaiting();
    waiter?.fail(this.report(error));
  }

  private end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.socket.end(this.onWritten);
  }

  private check(): void {
    if (this.isClosed) throw new ClosedResourceError();
    if (this.waiter !== undefined) throw new BusyResourceError("sending to");
    if (this.error !== undefined) throw this.report(this.error);
  }
}
