/** Message ports and broadcast channels as streams, both ways in one. */
import { type BridgeReceiveStream, type BufferOptions, Inlet, type Leaving } from "@anyloop/bridge";
import {
  BrokenResourceError,
  ClosedResourceError,
  type Operation,
  perform,
  type Coroutine,
  UsageError,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";

export interface SendOptions {
  /** What is handed over instead of copied: it is of no use here afterwards. */
  readonly transfer?: readonly Transferable[] | undefined;
}

/** Both directions of a port. It has no half close: `close` ends both. */
export interface MessageStream<out R, in S> extends BridgeReceiveStream<R> {
  /**
   * Posts an item, which is copied as by `structuredClone`.
   * @throws DataCloneError; ClosedResourceError; BrokenResourceError once the other end was closed.
   */
  send(item: S, options?: SendOptions): Operation<void>;
}

/** What a `MessagePort` and a `BroadcastChannel` have in common. */
interface Channel extends EventTarget {
  close(): void;
  postMessage(message: unknown, transfer?: Transferable[]): void;
  start?(): void;
}

class Messages<R, S> extends Inlet<R> implements MessageStream<R, S> {
  private readonly channel: Channel;
  private problem: (() => Error) | undefined = undefined;
  private readonly onMessage = (event: Event): void => void this.push((event as MessageEvent<R>).data);
  private readonly onMessageError = (): void => {
    this.fail(new UsageError("A message came that cannot be read here. Send what structuredClone can copy."));
  };
  private readonly onClose = (): void => this.end();

  constructor(channel: Channel, options: BufferOptions | undefined) {
    super(options);
    this.channel = channel;
    channel.addEventListener("message", this.onMessage);
    channel.addEventListener("messageerror", this.onMessageError);
    channel.addEventListener("close", this.onClose);
    channel.start?.();
  }

  send(item: S, options?: SendOptions): Operation<void> {
    return perform<this, [S, SendOptions | undefined], void>(this, this.doSend, item, options);
  }

  protected detach(leaving: Leaving | undefined): undefined {
    this.problem =
      leaving === undefined
        ? () => new BrokenResourceError("The other end of the port was closed: nobody will take the item.")
        : () => new ClosedResourceError();
    const { channel } = this;
    channel.removeEventListener("message", this.onMessage);
    channel.removeEventListener("messageerror", this.onMessageError);
    channel.removeEventListener("close", this.onClose);
    channel.close();
  }

  private *doSend(item: S, options: SendOptions | undefined): Coroutine<void> {
    yield* checkpointIfCancelled();
    if (this.problem !== undefined) throw this.problem();
    const { transfer } = options ?? {};
    if (transfer === undefined) this.channel.postMessage(item);
    else this.channel.postMessage(item, [...transfer]);
  }
}

/**
 * A message port as a stream: receives what the other end posts, sends to it. A port cannot be held back; see
 * `BufferOptions`. The other end closes: the end of the stream (where the host tells; older browsers do not).
 *
 * ```ts
 * import { run } from "anyloop";
 * import { fromMessagePort } from "@anyloop/bridge-web";
 *
 * const { port1, port2 } = new MessageChannel();
 * const [ours, theirs] = [fromMessagePort<number>(port1), port2];
 * theirs.postMessage(42);
 * console.log(await run(ours.receive())); // 42
 * await run(ours.close());
 * ```
 */
export function fromMessagePort<R, S = R>(port: MessagePort, options?: BufferOptions): MessageStream<R, S> {
  return new Messages<R, S>(port, options);
}

/** A broadcast channel as a stream: receives what others post, and sends to all of them. */
export function fromBroadcastChannel<R, S = R>(
  channel: BroadcastChannel,
  options?: BufferOptions,
): MessageStream<R, S> {
  return new Messages<R, S>(channel, options);
}
