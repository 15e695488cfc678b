/**
 * A network in memory: hosts with names and addresses, links that delay, partitions, resets and refused connections, all
 * in the time of the loop, so that with a virtual clock a slow network costs nothing.
 *
 * Invariant: nothing runs in the background. What is on its way carries the time of its arrival, and whoever waits for it
 * waits for that time.
 */
import {
  BrokenResourceError,
  type Connectable,
  type Coroutine,
  isCancelled,
  type Operation,
  perform,
  sleep,
  UsageError,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { connectionPair, type MemoryConnection } from "./memory-connection.ts";
import { MemoryListener } from "./memory-listener.ts";
import {
  familyOf,
  isAddress,
  networkError,
  type ResolvedAddress,
  type SocketAddress,
  systemError,
} from "./network-address.ts";
import { checkDelay, Link } from "./network-link.ts";

export interface MemoryNetworkOptions {
  /** Milliseconds from one host to another; 0 if not given. See `between` for single links. */
  readonly delay?: number | undefined;
  /** Milliseconds that looking up a name takes; 0 if not given. */
  readonly resolveDelay?: number | undefined;
}

/** What lies between two hosts, or two addresses. */
export interface Route {
  /** Milliseconds one way, for what is sent from now on. */
  delay: number;
  /** Nothing comes through any more, and nobody is told: what is sent waits, connections are not answered. */
  partition(): void;
  /** Ends the partition: what was sent meanwhile is on its way again. */
  heal(): void;
  /** Breaks every connection between the two, at both ends at once (`ECONNRESET`). New ones can be made. */
  reset(): void;
}

/** First port of those that are given to whoever does not ask for one. */
const firstEphemeral = 49_152;

/**
 * ```ts
 * const network = new MemoryNetwork({ delay: 100 });
 * const server = network.host("server");
 * const client = network.host("client");
 * const clock = new VirtualClock();
 * await run(
 *   () =>
 *     taskGroup(function* (group) {
 *       const listener = yield* server.listen(80);
 *       group.startSoon(
 *         listener.serve(function* (stream) {
 *           yield* stream.send(yield* stream.receive());
 *         }),
 *       );
 *       const stream = yield* client.connect("server", 80);
 *       yield* stream.send(new TextEncoder().encode("hello"));
 *       console.log(new TextDecoder().decode(yield* stream.receive())); // hello
 *       group.cancel();
 *     }),
 *   { backend: kernel({ clock }) },
 * );
 * console.log(clock.now()); // 400
 * ```
 */
export class MemoryNetwork {
  private readonly delay: number;
  /** @internal */
  readonly resolveDelay: number;
  private readonly hosts = new Map<string, MemoryHost>();
  private readonly owners = new Map<string, MemoryHost>();
  private readonly links = new Map<string, Link>();

  /** @throws UsageError for delays that cannot be. */
  constructor({ delay = 0, resolveDelay = 0 }: MemoryNetworkOptions = {}) {
    this.delay = checkDelay(delay, "delay");
    this.resolveDelay = checkDelay(resolveDelay, "resolveDelay");
  }

  /**
   * Adds a host. Its addresses, of either family, are resolved in the order given; without any it has one of each, IPv6
   * first.
   * @throws UsageError for a name or an address that is taken, or no address.
   */
  host(name: string, addresses: readonly string[] = this.nextAddresses()): MemoryHost {
    if (name === "" || isAddress(name) || name === "localhost" || this.hosts.has(name))
      throw new UsageError(
        `No host can be called ${JSON.stringify(name)} here. Give a name that is not taken.`,
      );
    for (const address of addresses)
      if (!isAddress(address) || this.owners.has(address))
        throw new UsageError(`${JSON.stringify(address)} is taken, or is no IP address.`);
    const host = new MemoryHost(this, name, addresses);
    this.hosts.set(name, host);
    for (const address of addresses) this.owners.set(address, host);
    return host;
  }

  /** What lies between two hosts, each given as itself, by name or by one of its addresses. @throws UsageError for an unknown one. */
  between(one: MemoryHost | string, other: MemoryHost | string): Route {
    const links: Link[] = [];
    for (const a of this.addressesOf(one))
      for (const b of this.addressesOf(other)) if (familyOf(a) === familyOf(b)) links.push(this.link(a, b));
    return new Links(links);
  }

  /** @internal */
  link(one: string, other: string): Link {
    const key = one < other ? `${one} ${other}` : `${other} ${one}`;
    let link = this.links.get(key);
    if (link === undefined) {
      link = new Link(this.owners.get(one) === this.owners.get(other) ? 0 : this.delay);
      this.links.set(key, link);
    }
    return link;
  }

  /** @internal */
  named(name: string): MemoryHost | undefined {
    return this.hosts.get(name);
  }

  /** @internal */
  has(address: string): boolean {
    return this.owners.has(address);
  }

  /** @internal */
  listenerAt(address: string, port: number): MemoryListener | undefined {
    return this.owners.get(address)?.listenerAt(address, port);
  }

  private nextAddresses(): string[] {
    const number = this.hosts.size + 1;
    return [`fd00::${number.toString(16)}`, `10.0.${String(number >> 8)}.${String(number & 255)}`];
  }

  private addressesOf(place: MemoryHost | string): readonly string[] {
    if (typeof place !== "string") return place.addresses;
    const host = this.hosts.get(place);
    if (host !== undefined) return host.addresses;
    if (this.owners.has(place)) return [place];
    throw new UsageError(`There is no host ${JSON.stringify(place)} in this network. Make it with host().`);
  }
}

class Links implements Route {
  private readonly links: readonly Link[];

  constructor(links: readonly Link[]) {
    this.links = links;
  }

  get delay(): number {
    return Math.max(0, ...this.links.map((link) => link.delay));
  }

  set delay(milliseconds: number) {
    for (const link of this.links) link.delay = milliseconds;
  }

  partition(): void {
    for (const link of this.links) link.partition();
  }

  heal(): void {
    for (const link of this.links) link.heal();
  }

  reset(): void {
    for (const link of this.links) link.reset(systemError("ECONNRESET", "read"));
  }
}

/** A machine in a `MemoryNetwork`. */
export class MemoryHost {
  readonly name: string;
  readonly addresses: readonly string[];
  private readonly network: MemoryNetwork;
  private readonly listeners = new Map<string, MemoryListener>();
  private lastPort = firstEphemeral - 1;

  /** @internal */
  constructor(network: MemoryNetwork, name: string, addresses: readonly string[]) {
    this.network = network;
    this.name = name;
    this.addresses = addresses;
  }

  /**
   * Listens at all addresses of this host, or at one of them; without a port at one that is free.
   * @throws BrokenResourceError (`EADDRINUSE`, `EADDRNOTAVAIL`); UsageError for no port.
   */
  listen(port = 0, options: { readonly address?: string | undefined } = {}): Operation<MemoryListener> {
    checkPort(port, 0);
    return perform(this, this.doListen, port, options.address);
  }

  /**
   * Connects to a name or an address: one round trip. The addresses of a name are tried one after another.
   * @throws BrokenResourceError whose `cause` has the `code`: `ECONNREFUSED` where nobody listens, `EHOSTUNREACH`,
   * `ENETUNREACH`, `ENOTFOUND`; an AggregateError if several addresses failed.
   */
  connect(to: string, port: number): Operation<MemoryConnection> {
    checkPort(port, 1);
    return perform(this, this.doConnect, to, port);
  }

  /** `connect` as something to be handed on. */
  connectable(to: string, port: number): Connectable<MemoryConnection> {
    checkPort(port, 1);
    return { connect: () => this.connect(to, port) };
  }

  /**
   * The addresses of a name, all or those of one family, in the order in which its host was given them.
   * @throws BrokenResourceError (`ENOTFOUND`).
   */
  resolve(name: string, options: { readonly family?: 4 | 6 | undefined } = {}): Operation<ResolvedAddress[]> {
    return perform(this, this.doResolve, name, options.family);
  }

  /** @internal */
  listenerAt(address: string, port: number): MemoryListener | undefined {
    return this.listeners.get(keyOf(address, port));
  }

  private *doListen(wanted: number, address: string | undefined): Coroutine<MemoryListener> {
    yield* checkpointIfCancelled();
    const addresses = address === undefined ? this.addresses : [address];
    for (const at of addresses)
      if (!this.addresses.includes(at))
        throw networkError(`${this.name} has no address ${at}.`, "EADDRNOTAVAIL", "listen", { address: at });
    const port = wanted === 0 ? this.freePort() : wanted;
    const keys = addresses.map((at) => keyOf(at, port));
    if (keys.some((key) => this.listeners.has(key)))
      throw networkError(`Port ${String(port)} of ${this.name} is in use.`, "EADDRINUSE", "listen", { port });
    const listener = new MemoryListener(
      port,
      addresses.map((at) => socketAddress(at, port)),
      () => {
        for (const key of keys) this.listeners.delete(key);
      },
    );
    for (const key of keys) this.listeners.set(key, listener);
    return listener;
  }

  private *doResolve(name: string, family: 4 | 6 | undefined): Coroutine<ResolvedAddress[]> {
    if (!isAddress(name)) yield* sleep(this.network.resolveDelay);
    else yield* checkpointIfCancelled();
    const found = this.lookUp(name)
      .map((address) => ({ address, family: familyOf(address) }))
      .filter((address) => family === undefined || address.family === family);
    if (found.length > 0) return found;
    throw networkError(`The name ${name} is not known.`, "ENOTFOUND", "getaddrinfo", { hostname: name });
  }

  private lookUp(name: string): readonly string[] {
    if (isAddress(name)) return [name];
    return name === "localhost" ? this.addresses : (this.network.named(name)?.addresses ?? []);
  }

  private *doConnect(to: string, port: number): Coroutine<MemoryConnection> {
    const errors: unknown[] = [];
    for (const { address } of yield* this.resolve(to)) {
      try {
        return yield* this.connectTo(address, port);
      } catch (error) {
        if (isCancelled(error)) throw error;
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    throw new BrokenResourceError(`No address of ${to} could be connected to.`, {
      cause: new AggregateError(errors, `${String(errors.length)} addresses were tried.`),
    });
  }

  private *connectTo(address: string, port: number): Coroutine<MemoryConnection> {
    const far = socketAddress(address, port);
    const near = this.addresses.find((own) => familyOf(own) === far.family);
    if (near === undefined)
      throw networkError(
        `${this.name} has no IPv${String(far.family)} address.`,
        "ENETUNREACH",
        "connect",
        far,
      );
    const link = this.network.link(near, address);
    yield* link.travel();
    yield* link.travel();
    // Asked when the answer is there: one that has closed meanwhile has reset the connection.
    const listener = this.network.listenerAt(address, port);
    if (listener === undefined) throw this.network.has(address) ? refused(far) : unreachable(far);
    const [connection, accepted] = connectionPair(link, socketAddress(near, this.freePort()), far);
    listener.push(accepted, link.arrival());
    return connection;
  }

  private freePort(): number {
    do this.lastPort = this.lastPort >= 65_535 ? firstEphemeral : this.lastPort + 1;
    while (this.addresses.some((address) => this.listeners.has(keyOf(address, this.lastPort))));
    return this.lastPort;
  }
}

function keyOf(address: string, port: number): string {
  return `${address} ${String(port)}`;
}

function socketAddress(address: string, port: number): SocketAddress {
  return { address, family: familyOf(address), port };
}

function refused(far: SocketAddress): BrokenResourceError {
  const { address, port } = far;
  return networkError(
    `${address} port ${String(port)} has refused the connection: nobody listens there.`,
    "ECONNREFUSED",
    "connect",
    { address, port },
  );
}

function unreachable({ address, port }: SocketAddress): BrokenResourceError {
  return networkError(`No host has the address ${address}.`, "EHOSTUNREACH", "connect", { address, port });
}

function checkPort(port: number, least: number): void {
  if (Number.isInteger(port) && port >= least && port <= 65_535) return;
  throw new UsageError(`The port is ${String(port)}. Give a whole number from ${String(least)} to 65535.`);
}
