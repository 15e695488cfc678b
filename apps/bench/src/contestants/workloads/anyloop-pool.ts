import { type Coroutine, type Operation, operation, perform, Semaphore, use } from "anyloop";
import { checkpoint } from "anyloop/lowlevel";
import { connections, units } from "../../workloads.ts";

/** Where connections lead; it counts those that are open. */
interface Server {
  open: number;
}

class Connection {
  readonly id: number;
  readonly #server: Server;

  constructor(id: number, server: Server) {
    this.id = id;
    this.#server = server;
    server.open++;
  }

  close(): void {
    this.#server.open--;
  }
}

class Pool {
  readonly #connections: readonly Connection[];
  readonly #permits: Semaphore;

  constructor(connections: readonly Connection[]) {
    this.#connections = connections;
    this.#permits = new Semaphore(connections.length);
  }

  query(n: number): Operation<number> {
    return perform(this, this.#query, n);
  }

  *#query(n: number): Coroutine<number> {
    const held = yield* this.#permits.acquire();
    try {
      yield* checkpoint();
      return (this.#connections[n % this.#connections.length]?.id ?? Number.NaN) * n;
    } finally {
      held.release();
    }
  }
}

function* work(pool: Pool): Coroutine<number> {
  let total = 0;
  for (let unit = 0; unit < units.count; unit++) {
    for (let n = 1; n <= units.queries; n++) total += yield* pool.query(n);
  }
  return total;
}

/** Connects until there are enough, works with them, and closes what it connected. */
const connectAndWork: (server: Server, opened: readonly Connection[]) => Operation<number> = operation(
  function* connectAndWork(server: Server, opened: readonly Connection[]): Coroutine<number> {
    if (opened.length === connections) return yield* work(new Pool(opened));
    return yield* use(new Connection(opened.length + 1, server), (connection) =>
      connectAndWork(server, [...opened, connection]),
    );
  },
);

export const pool: () => Operation<number> = operation(function* pool(): Coroutine<number> {
  const server: Server = { open: 0 };
  const total = yield* connectAndWork(server, []);
  if (server.open > 0) throw new Error("A connection was left open.");
  return total;
});
