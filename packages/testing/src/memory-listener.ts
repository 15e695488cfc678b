/**
 * The accepting side of a memory network.
 *
 * Invariant: a connection waits here until it has arrived and somebody accepts it, or is reset when the listener closes;
 * none is lost when an `accept` is cancelled.
 */
import {
  type Body,
  ClosedResourceError,
  type Coroutine,
  type Handler,
  type Listener,
  moveOnAt,
  now,
  type Operation,
  perform,
  taskGroup,
  type TaskGroup,
  use,
} from "@anyloop/core";
import { checkpointIfCancelled, ParkingLot } from "@anyloop/core/lowlevel";
import type { MemoryConnection } from "./memory-connection.ts";
import type { SocketAddress } from "./network-address.ts";

export class MemoryListener implements Listener<MemoryConnection> {
  /** One for each address it listens at. */
  readonly localAddresses: readonly SocketAddress[];
  readonly port: number;
  private readonly waiting: { readonly connection: MemoryConnection; readonly arrival: number }[] = [];
  private readonly lot = new ParkingLot("a connection");
  private readonly onClose: () => void;
  private isClosed = false;

  /** @internal */
  constructor(port: number, localAddresses: readonly SocketAddress[], onClose: () => void) {
    this.port = port;
    this.localAddresses = localAddresses;
    this.onClose = onClose;
  }

  /** The next connection. @throws ClosedResourceError. */
  accept(): Operation<MemoryConnection> {
    return perform(this, this.doAccept);
  }

  /**
   * Runs the handler for each connection, in a task of its own, and closes the connection after it. A handler that fails
   * ends all of them: in a test nothing is to be overlooked.
   */
  serve(handler: Handler<[stream: MemoryConnection]>): Operation<never> {
    return taskGroup((group) => this.acceptInto(group, handler));
  }

  /** Connections that nobody has accepted are reset; the others go on. */
  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  /** @internal A connection on its way. */
  push(connection: MemoryConnection, arrival: number): void {
    this.waiting.push({ connection, arrival });
    this.lot.unparkAll();
  }

  private *doAccept(): Coroutine<MemoryConnection> {
    yield* checkpointIfCancelled();
    for (;;) {
      if (this.isClosed) throw new ClosedResourceError("This listener was closed before.");
      const index = this.waiting.findIndex(({ arrival }) => arrival <= now());
      const [arrived] = index < 0 ? [] : this.waiting.splice(index, 1);
      if (arrived !== undefined) return arrived.connection;
      const next = Math.min(...this.waiting.map(({ arrival }) => arrival));
      yield* moveOnAt(next, this.lot.park());
    }
  }

  private *acceptInto(group: TaskGroup, handler: Handler<[stream: MemoryConnection]>): Coroutine<never> {
    for (;;) {
      const connection = yield* this.accept();
      group.startSoon(use(connection, handler as Body<unknown, [stream: MemoryConnection]>));
    }
  }

  private *doClose(): Coroutine<void> {
    this.closeNow();
    yield* checkpointIfCancelled();
  }

  private closeNow(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.onClose();
    for (const { connection } of this.waiting.splice(0)) connection.reset();
    this.lot.unparkAll();
  }
}
