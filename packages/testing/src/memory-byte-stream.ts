/**
 * Byte streams in memory, with hooks where a test wants to come in between. trio's `memory_stream_pair` and
 * `lockstep_stream_pair`.
 *
 * Invariant: each direction is a `ByteChannel`; two tasks in one direction are told so at once.
 */
import {
  type ByteStream,
  CancelScope,
  type Coroutine,
  type Handler,
  type Operation,
  operation,
  perform,
  ResourceGuard,
  UsageError,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { ByteChannel, checkMaxBytes } from "./byte-channel.ts";

/**
 * Called in the task that uses the stream, in either style: a hook may wait, and may throw what the call is to throw. All
 * but `onClose` come before anything happens.
 */
export interface ByteStreamHooks {
  /** Before data is sent. */
  readonly onSend?: Handler<[data: Uint8Array]> | undefined;
  /** Before data is received. */
  readonly onReceive?: Handler<[maxBytes: number]> | undefined;
  /** Before the sending direction is ended. */
  readonly onSendEof?: Handler | undefined;
  /** After the stream was closed, which nothing can prevent; the first time only. */
  readonly onClose?: Handler | undefined;
}

const callHook = operation(function* hook<A extends readonly unknown[]>(
  hook: Handler<A>,
  ...args: A
): Coroutine<void> {
  yield* new CancelScope({ name: "hook" }).run(() => hook(...args) as PromiseLike<unknown>);
});

export class MemoryByteStream implements ByteStream {
  private readonly incoming: ByteChannel;
  private readonly outgoing: ByteChannel;
  private readonly hooks: ByteStreamHooks;
  private readonly sending = new ResourceGuard("sending to");
  private readonly receiving = new ResourceGuard("receiving from");
  protected isClosed = false;

  /** @internal */
  constructor(incoming: ByteChannel, outgoing: ByteChannel, hooks: ByteStreamHooks) {
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.hooks = hooks;
  }

  /** @throws ClosedResourceError, BrokenResourceError, BusyResourceError; UsageError for what is no `Uint8Array`. */
  send(data: Uint8Array): Operation<void> {
    if (!(data instanceof Uint8Array))
      throw new UsageError("send() takes a Uint8Array. Encode text with TextEncoder.");
    return perform(this, this.doSend, data);
  }

  /** @throws EndOfStream, ClosedResourceError, BrokenResourceError, BusyResourceError; UsageError for a bad `maxBytes`. */
  receive(maxBytes = 65_536): Operation<Uint8Array> {
    checkMaxBytes(maxBytes);
    return perform(this, this.doReceive, maxBytes);
  }

  /** @throws BusyResourceError while a `send` waits. */
  sendEof(): Operation<void> {
    return perform(this, this.doSendEof);
  }

  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doSend(data: Uint8Array): Coroutine<void> {
    const entered = this.sending.enter();
    try {
      if (this.hooks.onSend !== undefined) yield* callHook(this.hooks.onSend, data);
      yield* this.outgoing.send(data);
    } finally {
      entered[Symbol.dispose]();
    }
  }

  private *doReceive(maxBytes: number): Coroutine<Uint8Array> {
    const entered = this.receiving.enter();
    try {
      if (this.hooks.onReceive !== undefined) yield* callHook(this.hooks.onReceive, maxBytes);
      return yield* this.incoming.receive(maxBytes);
    } finally {
      entered[Symbol.dispose]();
    }
  }

  private *doSendEof(): Coroutine<void> {
    const entered = this.sending.enter();
    try {
      yield* checkpointIfCancelled();
      if (this.hooks.onSendEof !== undefined) yield* callHook(this.hooks.onSendEof);
      this.outgoing.end();
    } finally {
      entered[Symbol.dispose]();
    }
  }

  private *doClose(): Coroutine<void> {
    const { onClose } = this.hooks;
    const isFirst = !this.isClosed;
    // Before any checkpoint: a cancelled task closes as well.
    this.closeNow();
    if (isFirst && onClose !== undefined) yield* callHook(onClose);
    else yield* checkpointIfCancelled();
  }

  protected closeNow(): void {
    this.isClosed = true;
    this.outgoing.closeSender();
    this.incoming.closeReceiver();
  }
}

function pair(
  lockstep: boolean,
  left: ByteStreamHooks,
  right: ByteStreamHooks,
): [left: MemoryByteStream, right: MemoryByteStream] {
  const there = new ByteChannel({ lockstep });
  const back = new ByteChannel({ lockstep });
  return [new MemoryByteStream(back, there, left), new MemoryByteStream(there, back, right)];
}

/**
 * Two connected byte streams: what is sent into one is received from the other. `send` never waits, however much is
 * unread. The hooks are those of the first stream and of the second.
 *
 * ```ts
 * const [client, server] = memoryByteStreamPair({ onSend: () => sleep(1) });
 * await client.send(new TextEncoder().encode("hello"));
 * await client.close();
 * console.log(new TextDecoder().decode(await server.receive(4))); // hell
 * console.log(new TextDecoder().decode(await server.receive())); // o
 * ```
 */
export function memoryByteStreamPair(
  left: ByteStreamHooks = {},
  right: ByteStreamHooks = {},
): [left: MemoryByteStream, right: MemoryByteStream] {
  return pair(false, left, right);
}

/**
 * Two connected byte streams without any buffer: `send` waits until the other side has received everything. What waits
 * for the other side on every network, sooner or later, waits here at once, so a deadlock shows. Cancelling a `send`
 * takes back what was not received yet.
 *
 * ```ts
 * const [client, server] = lockstepByteStreamPair();
 * await taskGroup(function* (group) {
 *   group.startSoon(function* () {
 *     yield* client.send(new Uint8Array(3));
 *     console.log("received"); // 2 bytes
 *   });
 *   console.log((yield* server.receive(2)).length, "bytes"); // 1 bytes
 *   console.log((yield* server.receive(2)).length, "bytes"); // received
 * });
 * ```
 */
export function lockstepByteStreamPair(
  left: ByteStreamHooks = {},
  right: ByteStreamHooks = {},
): [left: MemoryByteStream, right: MemoryByteStream] {
  return pair(true, left, right);
}
