/** A connection over a memory network: a byte stream that knows its ends and can be reset. */
import { BrokenResourceError } from "@anyloop/core";
import { ByteChannel } from "./byte-channel.ts";
import { MemoryByteStream } from "./memory-byte-stream.ts";
import { type SocketAddress, systemError } from "./network-address.ts";
import type { Link } from "./network-link.ts";

/** Bytes on their way before a sender waits: what sockets usually allow. */
const window = 65_536;

export class MemoryConnection extends MemoryByteStream {
  readonly localAddress: SocketAddress;
  readonly remoteAddress: SocketAddress;
  private readonly channels: readonly ByteChannel[];

  /** @internal */
  constructor(incoming: ByteChannel, outgoing: ByteChannel, local: SocketAddress, remote: SocketAddress) {
    super(incoming, outgoing, {});
    this.channels = [outgoing, incoming];
    this.localAddress = local;
    this.remoteAddress = remote;
  }

  /**
   * Closes without ceremony: what is on its way is lost, and the other side learns of it by a `BrokenResourceError`
   * whose `cause` has the code `ECONNRESET`. From any callback; again does nothing.
   */
  reset(): void {
    if (this.isClosed) return;
    for (const channel of this.channels) channel.break(resetByPeer);
    this.closeNow();
  }
}

function resetByPeer(): BrokenResourceError {
  return new BrokenResourceError("The other side has reset the connection.", {
    cause: systemError("ECONNRESET", "read"),
  });
}

/** Both ends of a new connection over a link. */
export function connectionPair(
  link: Link,
  near: SocketAddress,
  far: SocketAddress,
): [near: MemoryConnection, far: MemoryConnection] {
  const there = new ByteChannel({ arrival: link.arrival, window });
  const back = new ByteChannel({ arrival: link.arrival, window });
  link.carry(there, back);
  return [new MemoryConnection(back, there, near, far), new MemoryConnection(there, back, far, near)];
}
