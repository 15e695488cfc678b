/**
 * Datagrams: UDP. Each is received whole or not at all, and nobody promises that it arrives.
 *
 * Invariant: what came while nobody waited is kept, up to a limit; then the oldest is dropped, as the system would do.
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import {
  BrokenResourceError,
  BusyResourceError,
  ClosedResourceError,
  type Coroutine,
  isCancelled,
  type ObjectReceiveStream,
  type ObjectSendStream,
  type Operation,
  operation,
  UsageError,
} from "@anyloop/core";
import {
  closing,
  Deque,
  HostLeaf,
  ReceiveStreamBase,
  type Strand,
  suspendOnHost,
  type Waiter,
} from "@anyloop/core/lowlevel";
import { type InternetAddress, internetAddress, showAddress } from "./address.ts";
import { resolve } from "./resolve.ts";
import { BindError, ConnectError, explain } from "./system-error.ts";

export interface Datagram {
  readonly data: Uint8Array;
  /** Where it came from, or is to go. */
  readonly address: Pick<InternetAddress, "host" | "port">;
}

export interface UdpOptions {
  /** A name or address of this machine; all addresses of the family if not given. */
  readonly host?: string | undefined;
  /** 0, the default, takes a free one. */
  readonly port?: number | undefined;
  /** Of the addresses to send to, where `host` does not say; 4 if not given. */
  readonly family?: 4 | 6 | undefined;
}

/** Datagrams kept for a task that has yet to ask for them. */
const mostKept = 1_024;

class Receive<T> extends HostLeaf<T> {
  private readonly mailbox: Mailbox<T>;

  constructor(mailbox: Mailbox<T>) {
    super();
    this.mailbox = mailbox;
  }

  get label(): string {
    return "a datagram";
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { mailbox } = this;
    const problem = mailbox.problem();
    if (problem !== undefined) return this.refuse(strand, problem);
    const kept = mailbox.kept.shift();
    if (kept !== undefined) return this.complete(strand, kept);
    mailbox.receiving = this;
    return this.park(strand);
  }

  protected abort(): boolean {
    this.mailbox.receiving = undefined;
    return true;
  }
}

/** What both kinds of UDP socket are made of: `T` is what is received and sent. */
abstract class Mailbox<T>
  extends ReceiveStreamBase<T>
  implements ObjectSendStream<T>, ObjectReceiveStream<T>
{
  readonly localAddress: InternetAddress;
  /** The runtime's own socket, for its options (broadcast, multicast, buffer sizes). */
  readonly raw: Socket;
  readonly kept: Deque<T> = new Deque();
  receiving: Receive<T> | undefined = undefined;
  /** Tell those who wait for the system to take a datagram that it is closed. */
  private readonly sending = new Set<() => void>();
  private isClosed = false;
  private error: BrokenResourceError | undefined = undefined;

  constructor(raw: Socket) {
    super();
    this.raw = raw;
    this.localAddress = internetAddress(raw.address());
    raw.on("message", (data, sender) => {
      const item = this.received(data, sender);
      if (item !== undefined) this.arrive(item);
    });
    raw.on("error", (error) => this.fail(error));
  }

  /** Undefined for what is not for us. */
  protected abstract received(data: Uint8Array, sender: RemoteInfo): T | undefined;
  protected abstract transmit(item: T, done: (error: Error | null) => void): void;

  /** The next datagram. @throws BrokenResourceError for what the system reports, once; ClosedResourceError, BusyResourceError. */
  receive(): Operation<T> {
    return new Receive(this);
  }

  /** Hands a datagram to the system. @throws BrokenResourceError if it does not take it; ClosedResourceError; UsageError. */
  send(item: T): Operation<void> {
    return suspendOnHost((waiter: Waiter<void>) => {
      if (this.isClosed) throw new ClosedResourceError();
      // The system has it or not; there is no taking it back.
      const closed = (): void => waiter.fail(new ClosedResourceError());
      this.sending.add(closed);
      const done = (error: Error | null): void => {
        // Closed meanwhile.
        if (!this.sending.delete(closed)) return;
        if (error === null || error === undefined) waiter.resume();
        else waiter.fail(broken("Sending a datagram failed", error));
      };
      try {
        this.transmit(item, done);
      } catch (error) {
        this.sending.delete(closed);
        throw new UsageError(`This datagram cannot be sent: ${(error as Error).message}`, { cause: error });
      }
    });
  }

  close(): Operation<void> {
    return closing(() => {
      if (this.isClosed) return;
      this.isClosed = true;
      const { receiving } = this;
      this.receiving = undefined;
      this.raw.close();
      receiving?.fail(new ClosedResourceError());
      // Hosts forget what was handed to a socket that is closed in the same turn.
      for (const closed of this.sending) {
        this.sending.delete(closed);
        closed();
      }
    });
  }

  /** Why nothing can be received. */
  problem(): Error | undefined {
    const { error } = this;
    if (this.isClosed) return new ClosedResourceError();
    if (this.receiving !== undefined) return new BusyResourceError("receiving from");
    this.error = undefined;
    return error;
  }

  private arrive(item: T): void {
    const { receiving } = this;
    this.receiving = undefined;
    if (receiving !== undefined) {
      receiving.resume(item);
      return;
    }
    this.kept.push(item);
    if (this.kept.size > mostKept) this.kept.shift();
  }

  private fail(cause: Error): void {
    const error = broken("The UDP socket reported an error", cause);
    const { receiving } = this;
    this.receiving = undefined;
    if (receiving === undefined) this.error = error;
    else receiving.fail(error);
  }
}

function broken(what: string, cause: Error): BrokenResourceError {
  return new BrokenResourceError(explain(what, cause), { cause });
}

/** Receives from anybody, and sends to anybody. */
export class UdpSocket extends Mailbox<Datagram> {
  /** Sends to an address. The host is an IP address; `resolve` finds it for a name. */
  sendTo(data: Uint8Array, host: string, port: number): Operation<void> {
    return this.send({ data, address: { host, port } });
  }

  protected received(data: Uint8Array, { address, port }: RemoteInfo): Datagram {
    return { data, address: { host: address, port } };
  }

  protected transmit({ data, address }: Datagram, done: (error: Error | null) => void): void {
    this.raw.send(data, address.port, address.host, done);
  }
}

/** Exchanges datagrams with one peer; those of others are not received. */
export class ConnectedUdpSocket extends Mailbox<Uint8Array> {
  readonly remoteAddress: InternetAddress;

  constructor(raw: Socket) {
    super(raw);
    this.remoteAddress = internetAddress(raw.remoteAddress());
  }

  /** Deno's sockets hear strangers too. */
  protected received(data: Uint8Array, { address, port }: RemoteInfo): Uint8Array | undefined {
    return address === this.remoteAddress.host && port === this.remoteAddress.port ? data : undefined;
  }

  protected transmit(data: Uint8Array, done: (error: Error | null) => void): void {
    this.raw.send(data, done);
  }
}

/** Binds, and connects if there is a peer. Cancelled or failed, it leaves no socket. */
function openSocket(local: InternetAddress, peer?: InternetAddress): Operation<Socket> {
  return suspendOnHost((waiter: Waiter<Socket>) => {
    const raw = createSocket(local.family === 6 ? "udp6" : "udp4");
    const onError = (error: Error): void => {
      raw.close();
      waiter.fail(error);
    };
    const onReady = (): void => {
      raw.off("error", onError);
      waiter.resume(raw);
    };
    raw.once("error", onError);
    const onConnected = (error?: Error): void => (error === undefined ? onReady() : onError(error));
    raw.bind({ port: local.port, address: local.host, exclusive: true }, () => {
      if (peer === undefined) onReady();
      else raw.connect(peer.port, peer.host, onConnected);
    });
    return () => {
      raw.off("error", onError);
      raw.on("error", () => {});
      raw.close();
      return true;
    };
  });
}

const anyHost = { 4: "0.0.0.0", 6: "::" } as const;

function* localOf({ host, port = 0, family = 4 }: UdpOptions): Coroutine<InternetAddress> {
  const [address] = yield* resolve(host ?? anyHost[family], port);
  return address as InternetAddress;
}

const openUdp = operation(function* udpSocket(options: UdpOptions): Coroutine<UdpSocket> {
  const local = yield* localOf(options);
  try {
    return new UdpSocket(yield* openSocket(local));
  } catch (error) {
    if (isCancelled(error)) throw error;
    throw new BindError(`Binding UDP ${showAddress(local.host, local.port)} failed`, error);
  }
});

const openConnectedUdp = operation(function* connectedUdpSocket(
  host: string,
  port: number,
  options: UdpOptions,
): Coroutine<ConnectedUdpSocket> {
  if (port === 0) throw new UsageError("Nobody can be reached at port 0. Give the port of the peer.");
  const [peer] = (yield* resolve(host, port)) as readonly [InternetAddress];
  const local = yield* localOf({ ...options, family: peer.family });
  try {
    return new ConnectedUdpSocket(yield* openSocket(local, peer));
  } catch (error) {
    if (isCancelled(error)) throw error;
    throw new ConnectError(`Connecting UDP to ${showAddress(host, port)} failed`, [error]);
  }
});

/**
 * Opens a UDP socket that exchanges datagrams with anybody.
 * @throws BindError if the port is in use or not permitted; ResolveError for an unknown host; UsageError for a port that
 * cannot be.
 */
export function udpSocket(options: UdpOptions = {}): Operation<UdpSocket> {
  return openUdp(options);
}

/**
 * Opens a UDP socket that exchanges datagrams with one peer.
 * @throws ConnectError; ResolveError for an unknown host; UsageError for a port that cannot be.
 */
export function connectedUdpSocket(
  host: string,
  port: number,
  options: Omit<UdpOptions, "family"> = {},
): Operation<ConnectedUdpSocket> {
  return openConnectedUdp(host, port, options);
}
