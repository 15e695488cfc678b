/**
 * The sending half of a socket. A write costs more than all else that is done for a short message, so what a task sends
 * goes out in one: when the task blocks or ends, at the end of the drain, or past 64 kB.
 *
 * Invariant: what `send` has accepted goes out in order, whatever becomes of the task; what it has not accepted never
 * does. Nothing that waits for the system comes back as done unless the system has it. Once `send` has come back the data
 * is the caller's again: small pieces were copied, and for large ones it waits until the system has them; only a
 * cancellation ends that wait before, and nobody could take the data back from the system then.
 */
import type { Socket } from "node:net";
import { BusyResourceError, ClosedResourceError, type Operation } from "@anyloop/core";
import {
  type AbortFn,
  Deque,
  HostLeaf,
  type Strand,
  suspendOnHost,
  type Waiter,
  whenBlocked,
} from "@anyloop/core/lowlevel";
import { Batch } from "./batch.ts";
import { checkBytes } from "./byte-arguments.ts";

/** Bytes with which a batch is written at once, and with which, still unwritten, the next `send` waits. */
const highWaterMark = 65_536;
const nothing = new Uint8Array(0);

/** Some runtimes say null where nothing failed. */
const isFailure = (error: Error | null | undefined): error is Error => error instanceof Error;

/** An operation that waits until the system has everything written so far. */
interface Writing {
  /** That is so now: completes, or goes on waiting. */
  proceed(): void;
  fail(error: unknown): void;
}

class Send extends HostLeaf<void> implements Writing {
  private readonly outbox: Outbox;
  private readonly data: Uint8Array;
  private wasAccepted = false;

  constructor(outbox: Outbox, data: Uint8Array) {
    super();
    this.outbox = outbox;
    this.data = data;
  }

  get label(): string {
    return "the system to take what was sent";
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    this.wasAccepted = false;
    const problem = this.outbox.problem() ?? this.outbox.endProblem();
    if (problem !== undefined) return this.refuse(strand, problem);
    if (this.isDone()) return this.complete(strand, undefined);
    this.outbox.callWhenWritten(this);
    return this.park(strand);
  }

  proceed(): void {
    if (this.isDone()) this.resume();
    else this.outbox.callWhenWritten(this);
  }

  /** What was accepted goes out: the operation has happened, and the cancellation is for the next. */
  protected abort(): boolean {
    this.outbox.writing = undefined;
    if (this.wasAccepted) this.resume();
    return !this.wasAccepted;
  }

  private isDone(): boolean {
    const { outbox, data } = this;
    this.wasAccepted ||= outbox.accept(data);
    return this.wasAccepted && (data.length < highWaterMark || outbox.isWritten);
  }
}

/** Those that write when the task blocks. One list for all: a callback for each is more to be fetched for each message. */
const gathering = new Deque<Outbox>();

function writeGathered(): void {
  for (let next = gathering.shift(); next !== undefined; next = gathering.shift()) next.writeGathered();
}

export class Outbox {
  /** Who waits. */
  writing: Writing | undefined = undefined;
  private readonly socket: Socket;
  private readonly broke: (error: Error) => void;
  private readonly batch = new Batch();
  private willBeCalled = false;
  /** `write` is called when the task blocks. */
  private isGathering = false;
  private isEnded = false;
  private isClosed = false;
  private error: Error | undefined = undefined;
  private isReported = false;

  /** `broke` is told when what was written is lost, and calls `break` and `wake` unless it has before. */
  constructor(socket: Socket, broke: (error: Error) => void) {
    this.socket = socket;
    this.broke = broke;
  }

  send(data: Uint8Array): Operation<void> {
    checkBytes(data);
    return new Send(this, data);
  }

  /** Waits until the system has everything. */
  flush(): Operation<void> {
    return suspendOnHost((waiter) => {
      this.assertUsable();
      this.write();
      return this.waitUntilWritten(waiter);
    });
  }

  /** Ends the direction, after everything that was sent. */
  sendEof(): Operation<void> {
    return suspendOnHost((waiter) => {
      this.assertUsable();
      this.end();
      waiter.resume();
    });
  }

  /** For a graceful close: as `sendEof` and `flush`, and throws an error that nobody was told of. */
  finish(): Operation<void> {
    return suspendOnHost((waiter) => {
      if (this.error === undefined) {
        this.end();
        return this.waitUntilWritten(waiter);
      }
      if (!this.isReported) throw this.report(this.error);
      waiter.resume();
      return undefined;
    });
  }

  /** The socket broke: every operation throws the error from now on. `wake` tells who waits. */
  break(error: Error, isFromWriting: boolean): void {
    // With nothing under way a connection that breaks has cost nothing: closing it need not fail.
    this.isReported = !isFromWriting && this.batch.size === 0 && this.isWritten;
    this.error = error;
    this.batch.clear();
  }

  /** Makes the task that waits throw the error. It may go on before this returns. */
  wake(): void {
    if (this.error !== undefined) this.failWriting(this.error);
  }

  /** Nothing more is accepted; what was goes out, if `finish` is given the time. */
  close(): void {
    this.isClosed = true;
    this.failWriting(new ClosedResourceError());
  }

  /** Marks the error as told. */
  report(error: Error): Error {
    this.isReported = true;
    return error;
  }

  /** Why nothing can be done in this direction. */
  problem(): Error | undefined {
    if (this.isClosed) return new ClosedResourceError();
    if (this.writing !== undefined) return new BusyResourceError("sending to");
    return this.error === undefined ? undefined : this.report(this.error);
  }

  /** Why nothing can be sent after `sendEof`. */
  endProblem(): Error | undefined {
    return this.isEnded
      ? new ClosedResourceError("The sending direction was ended by sendEof().")
      : undefined;
  }

  /** Takes the data if there is room. From then on it goes out, whether the task is cancelled or not. */
  accept(data: Uint8Array): boolean {
    if (this.socket.writableLength >= highWaterMark) return false;
    if (data.length >= highWaterMark) {
      this.write();
      this.socket.write(data);
    } else if (data.length > 0) {
      this.gather(data);
    }
    return true;
  }

  /** Whether the system has everything that was written. */
  get isWritten(): boolean {
    return this.socket.writableLength === 0;
  }

  /** The task that gathered has blocked. */
  writeGathered(): void {
    this.isGathering = false;
    this.write();
  }

  /** Writes what was gathered. */
  private write(): void {
    if (this.batch.size > 0) this.batch.writeTo(this.socket);
  }

  private end(): void {
    this.write();
    if (this.isEnded) return;
    this.isEnded = true;
    this.socket.end((failure?: Error | null) => this.wasFinished(failure));
  }

  callWhenWritten(writing: Writing): void {
    this.writing = writing;
    // The end of the direction brings a call of its own.
    if (this.willBeCalled || this.isEnded) return;
    this.willBeCalled = true;
    this.socket.write(nothing, (failure) => this.wasWritten(failure));
  }

  private wasWritten(failure: Error | null | undefined): void {
    this.willBeCalled = false;
    const { writing } = this;
    // Told here first, when nothing is under way any more: not because the system has it.
    if (isFailure(failure)) {
      this.broke(failure);
      return;
    }
    if (writing === undefined) return;
    this.writing = undefined;
    // Asked for by somebody who was cancelled, it may come before what was sent since has gone.
    if (this.isWritten) writing.proceed();
    else this.callWhenWritten(writing);
  }

  private wasFinished(failure: Error | null | undefined): void {
    if (isFailure(failure)) {
      this.broke(failure);
      return;
    }
    const { writing } = this;
    this.writing = undefined;
    writing?.proceed();
  }

  private waitUntilWritten(waiter: Waiter<void>): AbortFn | void {
    if (this.isWritten) {
      waiter.resume();
      return undefined;
    }
    this.callWhenWritten({ proceed: () => waiter.resume(), fail: (error) => waiter.fail(error) });
    return () => {
      this.writing = undefined;
      return true;
    };
  }

  private assertUsable(): void {
    const problem = this.problem();
    if (problem !== undefined) throw problem;
  }

  private gather(data: Uint8Array): void {
    this.batch.add(data);
    if (this.batch.size >= highWaterMark) {
      this.write();
    } else if (!this.isGathering) {
      this.isGathering = true;
      gathering.push(this);
      if (gathering.size === 1) whenBlocked(writeGathered);
    }
  }

  private failWriting(error: Error): void {
    const { writing } = this;
    this.writing = undefined;
    writing?.fail(this.report(error));
  }
}
