/** The pool by itself, against a model: limits, order, and that nobody waits who could be served. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Host, Pool, type Poolable } from "../../src/client/pool.ts";

class Connection implements Poolable<Connection> {
  used = 0;
  isGone = false;
  readonly capacity: number;
  readonly host: Host<Connection>;
  private readonly world: World;

  constructor(world: World, host: Host<Connection>) {
    this.world = world;
    this.host = host;
    this.capacity = host.key === "wide" ? 3 : 1;
  }

  retire(): void {
    expect(this.used).toBe(0);
    this.isGone = true;
    this.world.connections.delete(this);
    this.world.pool.forget(this);
  }
}

interface Wish {
  readonly key: string;
  connection: Connection | undefined;
  takeBack: (() => void) | undefined;
}

class World {
  readonly pool: Pool<Connection>;
  readonly connections = new Set<Connection>();
  waiting: Wish[] = [];
  active: Wish[] = [];
  private readonly total: number;
  private readonly perHost: number;

  constructor(total: number, perHost: number) {
    this.total = total;
    this.perHost = perHost;
    this.pool = new Pool({ total, perHost }, (host) => {
      const connection = new Connection(this, host);
      this.connections.add(connection);
      return connection;
    });
  }

  take(key: string): void {
    const wish: Wish = { key, connection: undefined, takeBack: undefined };
    wish.takeBack = this.pool.take(key, (connection) => {
      expect(connection.host.key).toBe(key);
      expect(connection.isGone).toBe(false);
      // Of those who want the same, the first comes first.
      const line = this.waiting.filter((other) => other.key === key);
      if (line.includes(wish)) expect(line[0]).toBe(wish);
      this.waiting = this.waiting.filter((other) => other !== wish);
      wish.connection = connection;
      this.active.push(wish);
    });
    if (wish.connection === undefined) this.waiting.push(wish);
  }

  takeBack(at: number): void {
    const [wish] = this.waiting.splice(at % Math.max(1, this.waiting.length), 1);
    wish?.takeBack?.();
  }

  release(at: number, isBroken: boolean): void {
    const [wish] = this.active.splice(at % Math.max(1, this.active.length), 1);
    const connection = wish?.connection;
    if (connection === undefined) return;
    if (isBroken && connection.used === 1) {
      connection.isGone = true;
      this.connections.delete(connection);
      this.pool.forget(connection);
    } else {
      this.pool.release(connection);
    }
  }

  private of(key: string): Connection[] {
    return [...this.connections].filter(({ host }) => host.key === key);
  }

  private canServe(key: string): boolean {
    if (this.of(key).some(({ used, capacity }) => used < capacity)) return true;
    if (this.of(key).length >= this.perHost) return false;
    const idleElsewhere = [...this.connections].some(({ used, host }) => used === 0 && host.key !== key);
    return this.connections.size < this.total || idleElsewhere;
  }

  check(): void {
    const { total, active, waiting, idle } = this.pool;
    expect({ total, active, waiting, idle }).toEqual({
      total: this.connections.size,
      active: this.active.length,
      waiting: this.waiting.length,
      idle: [...this.connections].filter(({ used }) => used === 0).length,
    });
    expect(total).toBeLessThanOrEqual(this.total);
    for (const { key } of this.connections.size > 0 ? [...this.connections].map(({ host }) => host) : []) {
      expect(this.of(key).length).toBeLessThanOrEqual(this.perHost);
    }
    for (const { key } of this.waiting) expect(this.canServe(key)).toBe(false);
  }
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("take" as const), key: fc.constantFrom("a", "b", "c", "wide") }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("release" as const), at: fc.nat(20), isBroken: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("takeBack" as const), at: fc.nat(20) }) },
);

test("whatever happens, limits hold, counters are right, and nobody waits who could be served", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(step, { maxLength: 60 }),
      (total, perHost, steps) => {
        const world = new World(total, perHost);
        for (const each of steps) {
          if (each.do === "take") world.take(each.key);
          else if (each.do === "release") world.release(each.at, each.isBroken);
          else world.takeBack(each.at);
          world.check();
        }
        while (world.waiting.length + world.active.length > 0) {
          expect(world.active.length).toBeGreaterThan(0);
          world.release(0, false);
          world.check();
        }
      },
    ),
    { numRuns: 1_000 },
  );
});
