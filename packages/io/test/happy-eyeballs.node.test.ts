/** RFC 8305 in virtual time: which address is tried when, who wins, and what becomes of the others. */
import {
  type AsyncCloseable,
  CancelScope,
  type Coroutine,
  failAfter,
  isCancelled,
  now,
  type Operation,
  operation,
  perform,
  run,
  sleep,
  sleepForever,
} from "@anyloop/core";
import { closing, suspend, type Waiter } from "@anyloop/core/lowlevel";
import { kernel, VirtualClock } from "@anyloop/kernel";
import { happyEyeballs, interleave } from "@anyloop/io";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { caught } from "../../../tools/test-support/each-real.ts";

/** What an address does when it is connected to: answers or refuses after so many milliseconds, or never answers. */
type Host = { readonly answers: number } | { readonly refuses: number } | "silent";

class Connection implements AsyncCloseable {
  readonly host: string;
  isClosed = false;

  constructor(host: string) {
    this.host = host;
  }

  close(): Operation<void> {
    return closing(() => {
      this.isClosed = true;
    });
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }
}

/** A network of which everything is known. */
class Network {
  readonly hosts: Readonly<Record<string, Host>>;
  readonly log: string[] = [];
  readonly connections: Connection[] = [];
  private readonly started = now();

  constructor(hosts: Readonly<Record<string, Host>>) {
    this.hosts = hosts;
  }

  connect(host: string): Operation<Connection> {
    return perform(this, this.doConnect, host);
  }

  note(what: string): void {
    this.log.push(`${String(now() - this.started)} ${what}`);
  }

  private *doConnect(host: string): Coroutine<Connection> {
    this.note(`tries ${host}`);
    try {
      const behaviour = this.hosts[host] ?? "silent";
      if (behaviour === "silent") yield* sleepForever();
      else if ("refuses" in behaviour) {
        yield* sleep(behaviour.refuses);
        throw new Error(`${host} refused`);
      } else yield* sleep(behaviour.answers);
    } catch (error) {
      if (isCancelled(error)) this.note(`gives up ${host}`);
      throw error;
    }
    const connection = new Connection(host);
    this.connections.push(connection);
    return connection;
  }
}

const connectTo = operation(function* connectTo(network: Network): Coroutine<Connection> {
  const connection = yield* happyEyeballs(
    Object.keys(network.hosts),
    (host) => network.connect(host),
    (errors) => new AggregateError(errors, "all failed"),
  );
  network.note(`connected to ${connection.host}`);
  return connection;
});

const sleepThen = operation(function* sleepThen(
  milliseconds: number,
  connection: Connection,
): Coroutine<Connection> {
  yield* sleep(milliseconds);
  return connection;
});

/** In virtual time, in order and with shuffled tasks. */
function inVirtualTime(name: string, body: () => Coroutine<void>): void {
  for (const seed of [undefined, 1, 2, 3]) {
    test(`${name} [${seed === undefined ? "in order" : `seed ${String(seed)}`}]`, async () => {
      await run(body, { backend: kernel({ clock: new VirtualClock(), seed }) });
    });
  }
}

inVirtualTime("the first address to answer wins; the next is tried after 250 ms", function* () {
  const network = new Network({ a: "silent", b: "silent", c: { answers: 30 }, d: "silent" });
  const connection = yield* connectTo(network);
  expect(connection.isClosed).toBe(false);
  expect(network.log.slice(0, 3)).toEqual(["0 tries a", "250 tries b", "500 tries c"]);
  expect(network.log.slice(3, 5).sort()).toEqual(["530 gives up a", "530 gives up b"]);
  expect(network.log.slice(5)).toEqual(["530 connected to c"]);
});

inVirtualTime("one that answers in time is the only one tried", function* () {
  const network = new Network({ a: { answers: 249 }, b: { answers: 0 } });
  yield* connectTo(network);
  expect(network.log).toEqual(["0 tries a", "249 connected to a"]);
});

inVirtualTime("an early address may still win after later ones were tried", function* () {
  const network = new Network({ a: { answers: 400 }, b: "silent" });
  yield* connectTo(network);
  expect(network.log).toEqual(["0 tries a", "250 tries b", "400 gives up b", "400 connected to a"]);
});

inVirtualTime("a failure brings the next address at once", function* () {
  const network = new Network({ a: { refuses: 10 }, b: { refuses: 20 }, c: { answers: 5 } });
  yield* connectTo(network);
  expect(network.log).toEqual(["0 tries a", "10 tries b", "30 tries c", "35 connected to c"]);
});

inVirtualTime("only the failure of the last address tried brings the next", function* () {
  const network = new Network({ a: { refuses: 300 }, b: "silent", c: { answers: 10 } });
  yield* connectTo(network);
  expect(network.log.slice(0, 3)).toEqual(["0 tries a", "250 tries b", "500 tries c"]);
});

inVirtualTime("when all fail, all errors are in one, in the order of the addresses", function* () {
  const network = new Network({ a: { refuses: 600 }, b: { refuses: 10 }, c: { refuses: 1_000 } });
  const error = (yield* caught(connectTo(network))) as AggregateError;
  expect(error.errors.map((each) => (each as Error).message)).toEqual([
    "a refused",
    "b refused",
    "c refused",
  ]);
  expect(network.log.at(-1)).toBe("260 tries c");
});

inVirtualTime("of two that answer at once the later is closed", function* () {
  const network = new Network({ a: { answers: 250 }, b: { answers: 0 } });
  const connection = yield* connectTo(network);
  const others = network.connections.filter((other) => other !== connection);
  expect(connection.isClosed).toBe(false);
  expect(others.every((other) => other.isClosed)).toBe(true);
});

inVirtualTime("a late winner, made while it was being cancelled, is closed", function* () {
  const late = new Connection("late");
  const connectLate = (): Operation<Connection> =>
    suspend<Connection>((waiter: Waiter<Connection>) => () => {
      // Too late to stop: the connection was there already.
      waiter.resume(late);
      return false;
    });
  const prompt = new Connection("prompt");
  const connection = yield* happyEyeballs(
    ["late", "prompt"],
    (host) => (host === "late" ? connectLate() : sleepThen(10, prompt)),
    () => new Error("all failed"),
  );
  expect(connection).toBe(prompt);
  expect([prompt.isClosed, late.isClosed]).toEqual([false, true]);
});

inVirtualTime("cancelled from around, it leaves no connection", function* () {
  for (const timeout of [0, 100, 250, 260]) {
    const network = new Network({ a: "silent", b: { answers: 10 } });
    const scope = new CancelScope({ timeout });
    const connection = yield* scope.run(connectTo(network));
    const open = network.connections.filter(({ isClosed }) => !isClosed);
    expect(open).toEqual(connection === undefined ? [] : [connection]);
  }
});

inVirtualTime("no address at all is a failure of all", function* () {
  expect(yield* caught(connectTo(new Network({})))).toBeInstanceOf(AggregateError);
});

inVirtualTime("a timeout around it ends it on time", function* () {
  const started = now();
  const error = yield* caught(failAfter(300, connectTo(new Network({ a: "silent", b: "silent" }))));
  expect((error as Error).name).toBe("TimeoutError");
  expect(now() - started).toBe(300);
});

describe("interleave", () => {
  const address = fc.record({ family: fc.constantFrom(4, 6), id: fc.nat() });

  test("keeps every address, the order within a family, and the first one", () => {
    fc.assert(
      fc.property(fc.array(address), (addresses) => {
        const mixed = interleave(addresses);
        expect(mixed[0]).toBe(addresses[0]);
        for (const family of [4, 6]) {
          const of = (list: typeof addresses) => list.filter((each) => each.family === family);
          expect(of(mixed)).toEqual(of(addresses));
        }
      }),
    );
  });

  test("families take turns for as long as both have some", () => {
    fc.assert(
      fc.property(fc.array(address), (addresses) => {
        const mixed = interleave(addresses);
        const fewest = Math.min(
          ...[4, 6].map((family) => mixed.filter((each) => each.family === family).length),
        );
        for (let index = 1; index < fewest * 2; index++) {
          expect(mixed[index]?.family).not.toBe(mixed[index - 1]?.family);
        }
      }),
    );
  });
});
