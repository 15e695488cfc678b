/**
 * A connection, TCP or Unix, as a byte stream.
 *
 * Invariant: the runtime's socket never emits an error that nobody listens to, and is destroyed once the stream is closed,
 * by whatever way. What it told us is thrown by the operations, for as long as there are any.
 */
import type { Socket } from "node:net";
import {
  BrokenResourceError,
  type ByteStream,
  type Coroutine,
  EndOfStream,
  type Operation,
  perform,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import type { InternetAddress } from "./address.ts";
import { defaultMaxBytes } from "./byte-arguments.ts";
import { Inbox } from "./inbox.ts";
import { Outbox } from "./outbox.ts";
import { explain } from "./system-error.ts";

/** `Address` is an `InternetAddress` for TCP, and the path of the socket's file for Unix sockets. */
export class SocketStream<Address = InternetAddress | string> implements ByteStream {
  readonly localAddress: Address;
  readonly remoteAddress: Address;
  /** The runtime's own socket, for its options. Reading and writing it as well loses bytes. */
  readonly raw: Socket;
  private readonly inbox: Inbox;
  private readonly outbox: Outbox;
  private isClosed = false;
  private isBroken = false;

  /** Takes over a connected socket, on which nobody listens for data or errors. */
  constructor(raw: Socket, localAddress: Address, remoteAddress: Address) {
    this.raw = raw;
    this.localAddress = localAddress;
    this.remoteAddress = remoteAddress;
    this.outbox = new Outbox(raw, (error) => this.broke(error, true));
    this.inbox = new Inbox(raw);
    raw.on("end", () => this.inbox.finish(() => new EndOfStream()));
    raw.on("error", (error: NodeJS.ErrnoException) => this.broke(error, error.syscall === "write"));
    raw.on("close", () => this.closedByRuntime());
  }

  /**
   * At least one byte and at most `maxBytes` (65 536 if not given), once something has come.
   * @throws EndOfStream, BrokenResourceError, ClosedResourceError, BusyResourceError; UsageError for a bad `maxBytes`.
   */
  receive(maxBytes: number = defaultMaxBytes): Operation<Uint8Array> {
    return this.inbox.receive(maxBytes);
  }

  /** Receives into the caller's buffer and gives the number of bytes, 1 or more. Otherwise as `receive`. */
  receiveInto(buffer: Uint8Array): Operation<number> {
    return this.inbox.receiveInto(buffer);
  }

  /**
   * Hands data over and comes back at once while little is under way; waits while 64 kB are, and until the system has a
   * piece of 64 kB or more. The data is the caller's again afterwards. What a task sent goes out in one write when it
   * blocks or ends; cancelling does not take it back: a piece of 64 kB or more is then read until `flush` or `close` has
   * come back. An error of writing is thrown by the next operation, or by `close`.
   * @throws BrokenResourceError, ClosedResourceError, BusyResourceError; UsageError for a text.
   */
  send(data: Uint8Array): Operation<void> {
    return this.outbox.send(data);
  }

  /** Waits until the system has everything that was sent. Throws as `send` does. */
  flush(): Operation<void> {
    return this.outbox.flush();
  }

  /** Ends the sending direction, after everything sent: the peer sees the end of the stream and can still answer. */
  sendEof(): Operation<void> {
    return this.outbox.sendEof();
  }

  /**
   * Hands what was sent to the system, waits until it has it, and closes; a peer that does not read keeps it waiting.
   * Cancelled, it closes at once. Wakes the tasks that wait on the stream.
   * @throws BrokenResourceError for an error of writing that no operation has thrown.
   */
  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private broke(error: Error, isFromWriting: boolean): void {
    if (this.isBroken) return;
    this.isBroken = true;
    const broken = new BrokenResourceError(explain("The connection broke", error), { cause: error });
    // Both halves know before a task goes on that may use either.
    this.outbox.break(broken, isFromWriting);
    this.inbox.finish(() => this.outbox.report(broken));
    this.outbox.wake();
  }

  /** Both directions have ended, or somebody has destroyed `raw`. */
  private closedByRuntime(): void {
    if (!this.isClosed && !(this.raw.readableEnded && this.raw.writableFinished)) {
      this.broke(new Error("The socket was destroyed."), false);
    }
  }

  private *doClose(): Coroutine<void> {
    if (this.isClosed) {
      yield* checkpointIfCancelled();
      return;
    }
    this.isClosed = true;
    this.inbox.close();
    this.outbox.close();
    try {
      yield* this.outbox.finish();
    } finally {
      this.raw.destroy();
    }
  }
}
