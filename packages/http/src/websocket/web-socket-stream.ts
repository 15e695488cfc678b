/**
 * A websocket as a stream of messages.
 *
 * Invariant: the connection is let go of once the stream is closed, by whatever way. What the peer or the network told us
 * is thrown by the operations, for as long as there are any.
 */
import {
  BrokenResourceError,
  type Coroutine,
  EndOfStream,
  moveOnAfter,
  type ObjectStream,
  type Operation,
  perform,
} from "@anyloop/core";
import { checkpointIfCancelled, ReceiveStreamBase, suspendOnHost, type Waiter } from "@anyloop/core/lowlevel";
import type { Carrier, CarrierEvents } from "./carrier.ts";
import { checkClosing, isOrderly, normalClosure, WebSocketClosedError } from "./close-code.ts";
import { checkMessage, type Message } from "./message.ts";
import { MessageInbox } from "./message-inbox.ts";
import { MessageOutbox } from "./message-outbox.ts";

/** Made by `connectWebSocket` and `acceptWebSocket`. One task at a time may send, and one receive. */
export class WebSocketStream extends ReceiveStreamBase<Message> implements ObjectStream<Message> {
  /** The subprotocol that both sides have agreed on; empty if none. */
  readonly protocol: string;
  /** @internal The close code where `close` is given none. */
  usualCode = normalClosure;
  private readonly carrier: Carrier;
  private readonly inbox: MessageInbox;
  private readonly outbox: MessageOutbox;
  private readonly closeTimeout: number;
  private code: number | undefined = undefined;
  private reason = "";
  private isClosed = false;
  private isGone = false;
  private closing: Waiter<void> | undefined = undefined;
  /** Something sent may be lost, and no operation has told. */
  private untold: Error | undefined = undefined;

  /** @internal */
  constructor(makeCarrier: (events: CarrierEvents) => Carrier, closeTimeout: number) {
    super();
    this.closeTimeout = closeTimeout;
    this.inbox = new MessageInbox(() => this.carrier.readOn());
    this.carrier = makeCarrier(this.events());
    this.outbox = new MessageOutbox(this.carrier);
    this.protocol = this.carrier.protocol;
  }

  /**
   * The code with which the connection was closed: the peer's, the one that we have sent because the peer broke the
   * protocol, 1005 if the peer gave none, 1006 if it ended without a word. Undefined while it is open.
   */
  get closeCode(): number | undefined {
    return this.code;
  }

  /** What the peer gave as the reason of closing; often empty. */
  get closeReason(): string {
    return this.reason;
  }

  /**
   * The next message: text as a string, binary data as bytes.
   * @throws EndOfStream once the peer has closed with 1000, 1001 or no code; BrokenResourceError if the connection ended
   * in any other way, with the `cause`; ClosedResourceError, BusyResourceError.
   */
  receive(): Operation<Message> {
    return this.inbox.receive();
  }

  /**
   * Hands a message over and comes back at once while little is under way; waits while the system takes no more. The data
   * is the caller's again afterwards. What a task sends goes out in one write when it blocks or ends; cancelling does not
   * take it back.
   * @throws BrokenResourceError once the peer has closed; ClosedResourceError, BusyResourceError; UsageError for what is
   * neither a string nor a `Uint8Array`.
   */
  send(message: Message): Operation<void> {
    checkMessage(message);
    return this.outbox.send(message);
  }

  /**
   * Closes with 1000, but goes on receiving until the peer has closed as well. Over a host's own `WebSocket` nothing more
   * is received.
   */
  sendEof(): Operation<void> {
    return perform(this, this.doSendEof);
  }

  /**
   * Sends the close code after everything that was sent, waits until the peer has closed as well (at most `closeTimeout`
   * ms), and lets go of the connection. What comes meanwhile is dropped. Cancelled, it does not wait. Wakes the tasks that
   * wait on the stream. Closing again does nothing.
   * @throws BrokenResourceError if what was sent may be lost and no operation has told; UsageError for a `code` that
   * cannot be sent (give 1000, or your own from 4000 to 4999) or a `reason` of more than 123 bytes.
   */
  close(code: number = this.usualCode, reason = ""): Operation<void> {
    checkClosing(code, reason);
    return perform(this, this.doClose, code, reason);
  }

  private *doSendEof(): Coroutine<void> {
    yield* checkpointIfCancelled();
    const problem = this.outbox.problem();
    if (problem !== undefined) throw problem;
    this.outbox.sendEof();
    this.carrier.close(normalClosure, "");
  }

  private *doClose(code: number, reason: string): Coroutine<void> {
    if (this.isClosed) {
      yield* checkpointIfCancelled();
      return;
    }
    this.isClosed = true;
    // First the halves: the peer's answer may come before `carrier.close` returns, and is for nobody any more.
    this.outbox.close();
    this.inbox.close();
    this.carrier.close(code, reason);
    this.carrier.readOn();
    try {
      yield* moveOnAfter(this.closeTimeout, this.untilGone());
      if (this.untold !== undefined) throw this.untold;
    } finally {
      this.carrier.destroy();
    }
  }

  private untilGone(): Operation<void> {
    return suspendOnHost((waiter) => {
      if (this.isGone) {
        waiter.resume();
        return undefined;
      }
      this.closing = waiter;
      return () => {
        this.closing = undefined;
        return true;
      };
    });
  }

  private events(): CarrierEvents {
    const { inbox } = this;
    return {
      get hasRoom() {
        return inbox.hasRoom;
      },
      message: (message) => inbox.store(message),
      settle: () => this.settle(),
      drained: () => this.outbox.drained(),
      closed: (code, reason) => this.peerClosed(code, reason),
      broke: (error, code, wasBusy) => this.broke(error, code, wasBusy),
      gone: () => this.gone(),
    };
  }

  private settle(): void {
    this.outbox.settle();
    this.inbox.settle();
  }

  private peerClosed(code: number, reason: string): void {
    this.code = code;
    this.reason = reason;
    const cause = new WebSocketClosedError(code, reason);
    const broken = (): Error => new BrokenResourceError(cause.message, { cause });
    this.outbox.finish(broken);
    this.inbox.finish(isOrderly(code) ? () => new EndOfStream() : broken);
  }

  private broke(error: unknown, code: number, wasBusy: boolean): void {
    this.code = code;
    const message = `The websocket broke: ${error instanceof Error ? error.message : String(error)}`;
    const tell = (): Error => {
      this.untold = undefined;
      return new BrokenResourceError(message, { cause: error });
    };
    if (wasBusy) this.untold = new BrokenResourceError(message, { cause: error });
    this.outbox.finish(tell);
    this.inbox.finish(tell);
  }

  private gone(): void {
    this.isGone = true;
    const { closing } = this;
    this.closing = undefined;
    closing?.resume();
  }
}
