/** The memory network: delays, partitions, resets, refusals and names, in virtual time. */
import {
  BrokenResourceError,
  type ByteStream,
  ClosedResourceError,
  type Connectable,
  type Coroutine,
  EndOfStream,
  type Listener,
  moveOnAfter,
  now,
  run,
  sleep,
  taskGroup,
  type TaskGroup,
  UsageError,
} from "@anyloop/core";
import { kernel, VirtualClock } from "@anyloop/kernel";
import {
  cancelEverywhere,
  explore,
  type MemoryConnection,
  type MemoryHost,
  MemoryNetwork,
  type MemoryNetworkOptions,
  type Victim,
  waitAllTasksBlocked,
} from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught } from "./each.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

interface Place {
  readonly network: MemoryNetwork;
  readonly server: MemoryHost;
  readonly client: MemoryHost;
  readonly group: TaskGroup;
}

/** A client and a server, in virtual time, in a group that is cancelled at the end. */
function inNetwork(body: (place: Place) => Coroutine<void>, options?: MemoryNetworkOptions): Promise<void> {
  const network = new MemoryNetwork(options);
  const server = network.host("server");
  const client = network.host("client");
  return run(
    () =>
      taskGroup(function* (group) {
        yield* body({ network, server, client, group });
        group.cancel();
      }),
    { backend: kernel({ clock: new VirtualClock() }) },
  );
}

function* echo(stream: ByteStream): Coroutine<void> {
  try {
    for (;;) yield* stream.send(yield* stream.receive());
  } catch (error) {
    if (!(error instanceof EndOfStream)) throw error;
  }
}

function* serveEcho({ server, group }: Place, port = 80): Coroutine<void> {
  const listener = yield* server.listen(port);
  group.startSoon(listener.serve(echo));
}

function codeOf(error: unknown): unknown {
  return ((error as Error).cause as { code?: unknown } | undefined)?.code;
}

test("a connection takes a round trip, an echo another", async () => {
  await inNetwork(
    function* (place) {
      yield* serveEcho(place);
      const stream = yield* place.client.connect("server", 80);
      expect(now()).toBe(200);
      yield* stream.send(bytes("hello"));
      expect(now()).toBe(200);
      expect(text(yield* stream.receive())).toBe("hello");
      expect(now()).toBe(400);
      yield* stream.sendEof();
      expect(yield* caught(stream.receive())).toBeInstanceOf(EndOfStream);
      expect(now()).toBe(600);
    },
    { delay: 100 },
  );
});

test("both ends know their addresses, of the same family", async () => {
  await inNetwork(function* ({ server, client }) {
    const listener = yield* server.listen(80);
    const near = yield* client.connect("server", 80);
    const far = yield* listener.accept();
    expect(near.remoteAddress).toEqual({ address: server.addresses[0], family: 6, port: 80 });
    expect(near.localAddress).toMatchObject({ address: client.addresses[0], family: 6 });
    expect(far.localAddress).toEqual(near.remoteAddress);
    expect(far.remoteAddress).toEqual(near.localAddress);
    const another = yield* client.connect(server.addresses[1] as string, 80);
    expect(another.remoteAddress.family).toBe(4);
    expect(another.localAddress.port).not.toBe(near.localAddress.port);
  });
});

test("names are resolved to addresses of one family or both, in order, after a while", async () => {
  const network = new MemoryNetwork({ resolveDelay: 30 });
  const host = network.host("www.example.org", ["192.0.2.1", "2001:db8::1", "192.0.2.2"]);
  await run(
    function* () {
      const all = yield* host.resolve("www.example.org");
      expect(all.map(({ address }) => address)).toEqual(host.addresses);
      expect(now()).toBe(30);
      expect(yield* host.resolve("www.example.org", { family: 6 })).toEqual([
        { address: "2001:db8::1", family: 6 },
      ]);
      expect(now()).toBe(60);
      expect(yield* host.resolve("192.0.2.9")).toEqual([{ address: "192.0.2.9", family: 4 }]);
      expect(yield* host.resolve("localhost", { family: 4 })).toHaveLength(2);
      expect(codeOf(yield* caught(host.resolve("nowhere.example.org")))).toBe("ENOTFOUND");
      expect(codeOf(yield* caught(host.resolve("192.0.2.9", { family: 6 })))).toBe("ENOTFOUND");
    },
    { backend: kernel({ clock: new VirtualClock() }) },
  );
});

test("connections are refused where nobody listens, after a round trip", async () => {
  await inNetwork(
    function* ({ server, client }) {
      const address = server.addresses[1] as string;
      const error = yield* caught(client.connect(address, 81));
      expect(error).toBeInstanceOf(BrokenResourceError);
      expect((error as Error).cause).toMatchObject({
        code: "ECONNREFUSED",
        syscall: "connect",
        address,
        port: 81,
      });
      expect(now()).toBe(20);
      expect(codeOf(yield* caught(client.connect("203.0.113.9", 80)))).toBe("EHOSTUNREACH");
      // By name every address is tried; all errors are told.
      const all = (yield* caught(client.connect("server", 81))) as Error;
      expect((all.cause as AggregateError).errors.map(codeOf)).toEqual(["ECONNREFUSED", "ECONNREFUSED"]);
      const listener = yield* server.listen(81);
      yield* listener.close();
      expect(codeOf(yield* caught(client.connect(address, 81)))).toBe("ECONNREFUSED");
    },
    { delay: 10 },
  );
});

test("a name whose first address does not answer is connected to by the second", async () => {
  await inNetwork(function* ({ network, server, client }) {
    const [six, four] = server.addresses as [string, string];
    yield* server.listen(80, { address: four });
    expect((yield* client.connect("server", 80)).remoteAddress.address).toBe(four);
    const old = network.host("old", ["192.0.2.77"]);
    expect(codeOf(yield* caught(old.connect(six, 80)))).toBe("ENETUNREACH");
    expect((yield* old.connect("server", 80)).remoteAddress.address).toBe(four);
  });
});

/** The idea of RFC 8305: the second address gets its chance when the first has not answered for a while. */
function* eitherOf(client: MemoryHost, to: string, port: number): Coroutine<MemoryConnection> {
  const [first, second] = yield* client.resolve(to);
  const connected: MemoryConnection[] = [];
  yield* taskGroup(function* (group) {
    function* attempt(address: string): Coroutine<void> {
      connected.push(yield* client.connect(address, port));
      group.cancel();
    }
    group.startSoon(() => attempt(first?.address as string));
    yield* sleep(250);
    group.startSoon(() => attempt(second?.address as string));
  });
  return connected[0] as MemoryConnection;
}

test("happy eyeballs can be tested in virtual time: a dead first address costs 250 ms", async () => {
  await inNetwork(
    function* ({ network, server, client }) {
      yield* server.listen(80);
      const [six = ""] = server.addresses;
      network.between(client, six).partition();
      expect((yield* eitherOf(client, "server", 80)).remoteAddress.family).toBe(4);
      expect(now()).toBe(250 + 2 * 40);
      network.between(client, six).heal();
      network.between(client, six).delay = 100;
      expect((yield* eitherOf(client, "server", 80)).remoteAddress.family).toBe(6);
      expect(now()).toBe(250 + 2 * 40 + 2 * 100);
    },
    { delay: 40 },
  );
});

test("a partition delivers nothing and loses nothing", async () => {
  await inNetwork(
    function* (place) {
      const { network, client, server } = place;
      yield* serveEcho(place);
      const stream = yield* client.connect("server", 80);
      const route = network.between(client, server);
      yield* stream.send(bytes("a"));
      route.partition();
      route.partition();
      yield* stream.send(bytes("b"));
      expect(yield* moveOnAfter(10_000, stream.receive())).toBeUndefined();
      route.heal();
      route.heal();
      const healed = now();
      expect(text(yield* stream.receive())).toBe("ab");
      expect(now()).toBe(healed + 20);
      yield* sleep(100);
      expect(yield* moveOnAfter(100, stream.receive())).toBeUndefined();
    },
    { delay: 10 },
  );
});

test("connecting into a partition waits for its end, or for a timeout", async () => {
  await inNetwork(
    function* (place) {
      const { network, client, server, group } = place;
      yield* serveEcho(place);
      const route = network.between("client", "server");
      route.partition();
      expect(yield* moveOnAfter(1_000, client.connect("server", 80))).toBeUndefined();
      const connecting = group.startSoon(client.connect("server", 80));
      yield* sleep(1_000);
      expect(connecting.status).toBe("running");
      route.heal();
      yield* connecting.join();
      expect(now()).toBe(2_000 + 2 * 10);
      // Cut in the midst of the handshake as well.
      const another = group.startSoon(client.connect(server.addresses[0] as string, 80));
      yield* sleep(15);
      route.partition();
      yield* sleep(1_000);
      expect(another.status).toBe("running");
      route.heal();
      yield* another.join();
    },
    { delay: 10 },
  );
});

test("a reset by one side is told to the other, with its cause", async () => {
  await inNetwork(
    function* ({ server, client }) {
      const listener = yield* server.listen(80);
      const near = yield* client.connect("server", 80);
      const far = yield* listener.accept();
      yield* near.send(bytes("lost"));
      near.reset();
      near.reset();
      expect(yield* caught(near.receive())).toBeInstanceOf(ClosedResourceError);
      // It cannot know yet.
      yield* far.send(bytes("into the void"));
      const error = yield* caught(far.receive());
      expect(error).toBeInstanceOf(BrokenResourceError);
      expect(codeOf(error)).toBe("ECONNRESET");
      expect(codeOf(yield* caught(far.send(bytes("x"))))).toBe("ECONNRESET");
    },
    { delay: 10 },
  );
});

test("a route that is reset breaks its connections at once, waiting calls included, and no others", async () => {
  await inNetwork(
    function* ({ network, server, client, group }) {
      const listener = yield* server.listen(80);
      const near = yield* client.connect("server", 80);
      const far = yield* listener.accept();
      const elsewhere = yield* network.host("other").connect("server", 80);
      const reading = group.startSoon(() => caught(far.receive()));
      yield* waitAllTasksBlocked();
      const before = now();
      network.between("other", client).reset();
      yield* waitAllTasksBlocked();
      expect(reading.status).toBe("running");
      network.between(server, client).reset();
      expect(codeOf(yield* reading.join())).toBe("ECONNRESET");
      expect(codeOf(yield* caught(near.receive()))).toBe("ECONNRESET");
      expect(codeOf(yield* caught(near.send(bytes("x"))))).toBe("ECONNRESET");
      expect(now()).toBe(before);
      yield* elsewhere.send(bytes("still here"));
      expect(text(yield* (yield* listener.accept()).receive())).toBe("still here");
      yield* client.connect("server", 80);
    },
    { delay: 10 },
  );
});

test("a failing handler ends the server, an ending one closes its connection", async () => {
  const failing = inNetwork(function* ({ server, client, group }) {
    const listener = yield* server.listen(80);
    group.startSoon(
      listener.serve(function* (stream) {
        const request = text(yield* stream.receive());
        if (request === "fail") throw new Error("the handler is broken");
        yield* stream.send(bytes("bye"));
      }),
    );
    const polite = yield* client.connect("server", 80);
    yield* polite.send(bytes("hello"));
    expect(text(yield* polite.receive())).toBe("bye");
    expect(yield* caught(polite.receive())).toBeInstanceOf(EndOfStream);
    const rude = yield* client.connect("server", 80);
    yield* rude.send(bytes("fail"));
    yield* sleep(1_000);
  });
  await expect(failing).rejects.toThrow("the handler is broken");
});

test("a closed listener wakes who accepts, resets who waits and leaves the others", async () => {
  await inNetwork(function* ({ server, client, group }) {
    const listener = yield* server.listen(80);
    const near = yield* client.connect("server", 80);
    const far = yield* listener.accept();
    const accepting = group.startSoon(() => caught(listener.accept()));
    yield* waitAllTasksBlocked();
    yield* listener.close();
    yield* listener.close();
    expect(yield* accepting.join()).toBeInstanceOf(ClosedResourceError);
    expect(yield* caught(listener.accept())).toBeInstanceOf(ClosedResourceError);
    yield* far.send(bytes("still here"));
    expect(text(yield* near.receive())).toBe("still here");
    const another = yield* server.listen(80);
    const unaccepted = yield* client.connect("server", 80);
    yield* another.close();
    expect(codeOf(yield* caught(unaccepted.receive()))).toBe("ECONNRESET");
  });
});

test("ports are given, kept and freed", async () => {
  await inNetwork(function* ({ network, server }) {
    const first = yield* server.listen();
    const second = yield* server.listen();
    expect(first.port).toBeGreaterThan(1024);
    expect(second.port).not.toBe(first.port);
    expect(first.localAddresses).toHaveLength(2);
    expect(codeOf(yield* caught(server.listen(first.port)))).toBe("EADDRINUSE");
    yield* network.host("elsewhere").listen(first.port);
    yield* first.close();
    yield* server.listen(first.port);
    expect(codeOf(yield* caught(server.listen(1, { address: "192.0.2.1" })))).toBe("EADDRNOTAVAIL");
  });
});

test("what cannot be is refused with a sentence", async () => {
  const network = new MemoryNetwork();
  const host = network.host("host", ["192.0.2.1"]);
  expect(() => network.host("host")).toThrow(UsageError);
  expect(() => network.host("localhost")).toThrow(UsageError);
  expect(() => network.host("other", ["192.0.2.1"])).toThrow(UsageError);
  expect(() => network.host("other", ["no address"])).toThrow(UsageError);
  expect(() => network.between("host", "nobody")).toThrow(UsageError);
  expect(() => (network.between(host, host).delay = -1)).toThrow(UsageError);
  expect(() => new MemoryNetwork({ delay: Infinity })).toThrow(UsageError);
  for (const port of [-1, 0.5, 65_536, Number.NaN]) {
    expect(() => host.listen(port)).toThrow(UsageError);
    expect(() => host.connect("host", port)).toThrow(UsageError);
  }
});

test("it stands behind core's interfaces, on any backend", async () => {
  const network = new MemoryNetwork();
  const server = network.host("server");
  const client = network.host("client");
  function* use(listener: Listener<ByteStream>, connectable: Connectable<ByteStream>): Coroutine<string> {
    return yield* taskGroup(function* (group) {
      group.startSoon(listener.serve(echo));
      const stream = yield* connectable.connect();
      yield* stream.send(bytes("any backend"));
      const answer = text(yield* stream.receive());
      group.cancel();
      return answer;
    });
  }
  const answer = await run(
    function* () {
      return yield* use(yield* server.listen(80), client.connectable("server", 80));
    },
    { backend: kernel() },
  );
  expect(answer).toBe("any backend");
});

test("a cancelled accept loses no connection, a cancelled connect leaves none, on every schedule", async () => {
  function* body(victim: Victim): Coroutine<void> {
    const network = new MemoryNetwork({ delay: 5 });
    const server = network.host("server");
    const client = network.host("client");
    const listener = yield* server.listen(80);
    let accepted = 0;
    let connected = 0;
    function* accept(): Coroutine<void> {
      const stream = yield* listener.accept();
      accepted++;
      yield* stream.close();
    }
    function* connect(): Coroutine<void> {
      const stream = yield* client.connect("server", 80);
      connected++;
      yield* stream.close();
    }
    yield* taskGroup(function* (group) {
      group.startSoon(victim(accept));
      group.startSoon(victim(connect));
      group.startSoon(connect);
    });
    for (let left = connected - accepted; left > 0; left--) yield* accept();
    expect(accepted).toBe(connected);
    expect(yield* moveOnAfter(100, listener.accept())).toBeUndefined();
  }
  await explore(body, { runs: 300 });
  await cancelEverywhere(body);
});
