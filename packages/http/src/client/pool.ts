/**
 * Who may use which connection: limits in total and for each host, first come, first served.
 *
 * Invariant: whoever waits cannot be served. So a newcomer that can be served takes nothing from anybody, and after every
 * change those who can be served by now are, in the order in which they came.
 */
/** What the pool needs to know of a connection. */
export interface Poolable<C> {
  /** How many may use it at once: 1, or the streams of HTTP/2. */
  readonly capacity: number;
  /** How many do; the pool keeps it. */
  used: number;
  readonly host: Host<C>;
  /** Closes it, used by nobody. */
  retire(): void;
}

export interface Host<C> {
  readonly key: string;
  /** Connections with room for one more; the one used last at the end. */
  readonly free: C[];
  count: number;
  /** In the order in which they came: a set keeps it, and lets one in the middle go away. */
  readonly waiting: Set<Waiting<C>>;
}

interface Waiting<C> {
  readonly place: number;
  readonly use: (connection: C) => void;
}

export interface PoolLimits {
  readonly total: number;
  readonly perHost: number;
}

export class Pool<C extends Poolable<C>> {
  private readonly limits: PoolLimits;
  private readonly open: (host: Host<C>) => C;
  private readonly hosts = new Map<string, Host<C>>();
  /** Those that somebody waits for. */
  private readonly wanted = new Set<Host<C>>();
  private arrivals = 0;
  total = 0;
  waiting = 0;
  active = 0;

  /** `open` makes a connection, and does not fail: what goes wrong is told to those who use it. */
  constructor(limits: PoolLimits, open: (host: Host<C>) => C) {
    this.limits = limits;
    this.open = open;
  }

  get idle(): number {
    let idle = 0;
    for (const host of this.hosts.values())
      for (const connection of host.free) if (connection.used === 0) idle++;
    return idle;
  }

  /** Whether somebody is connected there, or wants to be. */
  has(key: string): boolean {
    return this.hosts.has(key);
  }

  /** Calls `use` with a connection, at once or later; undefined if at once, else what takes the wish back. */
  take(key: string, use: (connection: C) => void): (() => void) | undefined {
    const host = this.hostOf(key);
    if (this.canServe(host)) {
      this.serve(host, use);
      return undefined;
    }
    const waiting: Waiting<C> = { place: this.arrivals++, use };
    host.waiting.add(waiting);
    this.wanted.add(host);
    this.waiting++;
    return () => {
      this.leave(host, waiting);
      this.tidy(host);
    };
  }

  /** One of those who use it is done. */
  release(connection: C): void {
    const { free } = connection.host;
    this.active--;
    if (connection.used-- === connection.capacity) free.push(connection);
    this.serveAll();
  }

  /** It has more room than was thought. */
  widened(connection: C): void {
    const { free } = connection.host;
    if (connection.used < connection.capacity && !free.includes(connection)) free.push(connection);
    this.serveAll();
  }

  /** The connection is gone. Those who still use it count no more. */
  forget(connection: C): void {
    const host = connection.host;
    const at = host.free.indexOf(connection);
    if (at >= 0) host.free.splice(at, 1);
    host.count--;
    this.total--;
    this.active -= connection.used;
    this.tidy(host);
    this.serveAll();
  }

  private canServe(host: Host<C>): boolean {
    if (host.free.length > 0) return true;
    if (host.count >= this.limits.perHost) return false;
    return this.total < this.limits.total || this.idleElsewhere(host) !== undefined;
  }

  private serve(host: Host<C>, use: (connection: C) => void): void {
    let connection = host.free.at(-1);
    if (connection === undefined) {
      host.count++;
      // Counted first: the place that becomes free is taken, whoever else is told of it.
      if (++this.total > this.limits.total) this.idleElsewhere(host)?.retire();
      connection = this.open(host);
      if (connection.capacity > 1) host.free.push(connection);
    }
    this.active++;
    if (++connection.used >= connection.capacity && host.free.at(-1) === connection) host.free.pop();
    use(connection);
  }

  private serveAll(): void {
    while (this.waiting > 0) {
      let next: Host<C> | undefined;
      for (const host of this.wanted) {
        if (!this.canServe(host)) continue;
        if (next === undefined || this.first(host).place < this.first(next).place) next = host;
      }
      if (next === undefined) return;
      const first = this.first(next);
      this.leave(next, first);
      this.serve(next, first.use);
    }
  }

  private first(host: Host<C>): Waiting<C> {
    return host.waiting.values().next().value as Waiting<C>;
  }

  private leave(host: Host<C>, waiting: Waiting<C>): void {
    if (!host.waiting.delete(waiting)) return;
    this.waiting--;
    if (host.waiting.size === 0) this.wanted.delete(host);
  }

  /** Keeps no host that nobody wants or has a connection to. */
  private tidy(host: Host<C>): void {
    if (host.waiting.size === 0 && host.count === 0) this.hosts.delete(host.key);
  }

  private idleElsewhere(host: Host<C>): C | undefined {
    for (const other of this.hosts.values()) {
      if (other === host) continue;
      const idle = other.free.find(({ used }) => used === 0);
      if (idle !== undefined) return idle;
    }
    return undefined;
  }

  private hostOf(key: string): Host<C> {
    let host = this.hosts.get(key);
    if (host === undefined) {
      host = { key, free: [], count: 0, waiting: new Set() };
      this.hosts.set(key, host);
    }
    return host;
  }
}
