/** Listening: who is accepted, what becomes of handlers that fail, and of socket files. */
import { connect, Server, type Socket } from "node:net";
import { AsyncLocalStorage } from "node:async_hooks";
import { access, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  all,
  BrokenResourceError,
  BusyResourceError,
  CancelScope,
  ClosedResourceError,
  EndOfStream,
  Event,
  failAfter,
  fromPromise,
  linesOf,
  now,
  operation,
  run,
  sleep,
  sleepForever,
  taskGroup,
  use,
} from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import {
  AcceptError,
  BindError,
  ConnectError,
  connectTcp,
  listenTcp,
  listenUnix,
  openProcess,
  tcp,
  unix,
} from "@anyloop/io";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test, vi } from "vitest";
import { caught, each } from "../../../tools/test-support/each-real.ts";
import { commandOf, noPrograms } from "./program.ts";
import { bytes, inTemporaryDirectory, localhost, portOf, text } from "./sockets.ts";

each("a handler that crashes is told of, and does not stop the server", function* () {
  const listener = yield* listenTcp(0, localhost);
  const boom = new Error("boom");
  const told: unknown[] = [];
  yield* taskGroup(function* (group) {
    group.startSoon(
      listener.serve(
        function* (stream) {
          if (text(yield* stream.receive()) === "crash") throw boom;
          yield* stream.send(bytes("fine"));
        },
        { onError: (error) => told.push(error) },
      ),
    );
    const crashing = yield* connectTcp("127.0.0.1", portOf(listener));
    yield* crashing.send(bytes("crash"));
    expect(yield* caught(crashing.receive())).toBeInstanceOf(EndOfStream);
    const other = yield* tcp("127.0.0.1", portOf(listener)).connect();
    yield* other.send(bytes("work"));
    expect(text(yield* other.receive())).toBe("fine");
    // The handler is over: its stream is closed.
    expect(yield* caught(other.receive())).toBeInstanceOf(EndOfStream);
    yield* crashing.close();
    yield* other.close();
    group.cancel();
  });
  yield* listener.close();
  expect(told).toEqual([boom]);
});

each("handlers may be async functions", function* () {
  const listener = yield* listenTcp(0, localhost);
  yield* taskGroup(function* (group) {
    group.startSoon(
      listener.serve(async (stream) => {
        await stream.send(await stream.receive());
      }),
    );
    const stream = yield* connectTcp("127.0.0.1", portOf(listener));
    yield* stream.send(bytes("echo"));
    expect(text(yield* stream.receive())).toBe("echo");
    yield* stream.close();
    group.cancel();
  });
  yield* listener.close();
});

each("cancelling a server closes its connections at once", function* () {
  const listener = yield* listenTcp(0, localhost);
  const isServing = new Event();
  yield* taskGroup(function* (group) {
    const server = group.startSoon(
      listener.serve(function* (stream) {
        // More than the peer will read.
        yield* stream.send(new Uint8Array(60_000));
        isServing.set();
        yield* sleepForever();
      }),
    );
    const client = yield* connectTcp("127.0.0.1", portOf(listener));
    yield* isServing.wait();
    server.cancel();
    yield* failAfter(1_000, server.wait());
    yield* client.close();
  });
  yield* listener.close();
});

each("closing a listener wakes accept, and lets the handlers of serve finish", function* () {
  const listener = yield* listenTcp(0, { host: ["127.0.0.1", "localhost"] });
  const finish = new Event();
  const order: string[] = [];
  yield* taskGroup(function* (group) {
    const serving = group.startSoon(function* () {
      order.push(
        (
          (yield* caught(
            listener.serve(function* () {
              yield* finish.wait();
              order.push("handler");
            }),
          )) as Error
        ).name,
      );
    });
    const client = yield* connectTcp("127.0.0.1", portOf(listener));
    yield* waitAllTasksBlocked();
    yield* listener.close();
    yield* listener.close();
    finish.set();
    yield* serving.wait();
    yield* client.close();
  });
  expect(order).toEqual(["handler", "ClosedResourceError"]);
  expect(yield* caught(listener.accept())).toBeInstanceOf(ClosedResourceError);
  for (const { port } of listener.addresses) {
    expect(yield* caught(connectTcp("127.0.0.1", port))).toBeInstanceOf(ConnectError);
  }
});

each("accept: one task at a time; cancelled, it takes no connection", function* () {
  const listener = yield* listenTcp(0, localhost);
  const scope = new CancelScope();
  yield* taskGroup(function* (group) {
    group.startSoon(scope.run(listener.accept()));
    yield* waitAllTasksBlocked();
    expect(yield* caught(listener.accept())).toBeInstanceOf(BusyResourceError);
    scope.cancel();
  });
  const [near, far] = yield* all([connectTcp("127.0.0.1", portOf(listener)), listener.accept()]);
  yield* near.close();
  yield* far.close();
  yield* listener.close();
});

each("out of file descriptors: the server says so, waits 100 ms and goes on", function* () {
  const listener = yield* listenTcp(0, localhost);
  const log = vi.spyOn(console, "error").mockImplementation(() => {});
  try {
    yield* taskGroup(function* (group) {
      group.startSoon(
        listener.serve(function* (stream) {
          yield* stream.send(bytes("welcome"));
        }),
      );
      yield* waitAllTasksBlocked();
      const started = now();
      listener.raw[0]?.emit("error", Object.assign(new Error("accept EMFILE"), { code: "EMFILE" }));
      const stream = yield* connectTcp("127.0.0.1", portOf(listener));
      expect(text(yield* stream.receive())).toBe("welcome");
      expect(now() - started).toBeGreaterThan(95);
      yield* stream.close();
      group.cancel();
    });
    expect(log.mock.calls).toMatchObject([[{ name: "AcceptError", code: "EMFILE" }]]);
    expect(log.mock.calls[0]?.[0]).toBeInstanceOf(AcceptError);
  } finally {
    log.mockRestore();
    yield* listener.close();
  }
});

for (const backend of ["kernel", "native"]) {
  const cannot =
    noPrograms ??
    ("Deno" in globalThis || "Bun" in globalThis ? "its way is another, and not looked into" : undefined);
  test.skipIf(cannot !== undefined)(
    `really out of file descriptors: Node hangs up on who comes, the server goes on [${cannot ?? backend}]`,
    async () => {
      const limited = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", ...commandOf("out-of-files.ts")] as const;
      await run(
        use(openProcess([...limited, backend]), function* (server) {
          const lines = linesOf(server.stdout);
          const port = Number(yield* lines.receive());
          const early = yield* connectTcp("127.0.0.1", port);
          const end = yield* caught(early.receive());
          expect(end instanceof EndOfStream || end instanceof BrokenResourceError).toBe(true);
          server.sendSignal("SIGUSR2");
          expect(yield* lines.receive()).toBe("has some again");
          const late = yield* connectTcp("127.0.0.1", port);
          expect(text(yield* late.receive())).toBe("welcome");
          yield* early.close();
          yield* late.close();
          server.kill();
        }),
        { backend: kernel() },
      );
    },
  );
}

each("a listener on several addresses has one port, and accepts on each", function* () {
  const hosts = ["127.0.0.1", "127.0.0.2"];
  const listener = yield* listenTcp(0, { host: hosts });
  expect(listener.addresses.map(({ host }) => host)).toEqual(hosts);
  expect(new Set(listener.addresses.map(({ port }) => port)).size).toBe(1);
  for (const host of hosts) {
    const [near, far] = yield* all([connectTcp(host, portOf(listener)), listener.accept()]);
    expect(far.localAddress.host).toBe(host);
    yield* near.close();
    yield* far.close();
  }
  yield* listener.close();
});

each(
  "Unix: the listener's file is removed with it, one left behind is replaced, one in use is not",
  function* () {
    yield* inTemporaryDirectory(function* (directory) {
      const path = join(directory, "socket");
      const listener = yield* listenUnix(path);
      expect(listener.addresses).toEqual([path]);
      const inUse = (yield* caught(listenUnix(path))) as BindError;
      expect([inUse.name, inUse.code]).toEqual(["BindError", "EADDRINUSE"]);
      // The probe of the other one.
      yield* (yield* listener.accept()).close();
      const [near, far] = yield* all([unix(path).connect(), listener.accept()]);
      expect([near.remoteAddress, far.localAddress]).toEqual([path, path]);
      yield* near.close();
      yield* far.close();
      yield* listener.close();
      yield* sleep(1);
      expect(yield* caught(fromPromise(access(path)))).toMatchObject({ code: "ENOENT" });
    });
  },
);

each("Unix: a plain file in the way is left alone", function* () {
  yield* inTemporaryDirectory(function* (directory) {
    const path = join(directory, "file");
    yield* fromPromise(writeFile(path, "precious"));
    expect(yield* caught(listenUnix(path))).toBeInstanceOf(BindError);
    yield* fromPromise(access(path));
  });
});

each(
  "the runtime's socket of an accepted connection has the context of who listens",
  function* () {
    const store = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const serving = (): Promise<void> =>
      run(
        operation(function* () {
          const listener = yield* listenTcp(0, localhost);
          const [near, far] = yield* all([connectTcp("127.0.0.1", portOf(listener)), listener.accept()]);
          far.raw.on("end", () => seen.push(store.getStore()));
          yield* near.sendEof();
          expect(yield* caught(far.receive())).toBeInstanceOf(EndOfStream);
          for (const closeable of [near, far, listener]) yield* closeable.close();
        })(),
        { backend: kernel() },
      );
    yield* fromPromise(() => store.run("listener", serving));
    expect(seen).toEqual(["listener"]);
  },
  { deno: "it gives no context to the sockets that it accepts" },
);

each("who comes while the other addresses are still being bound is accepted", function* () {
  const free = yield* listenTcp(0, localhost);
  const port = portOf(free);
  yield* free.close();
  const { listen: original } = Server.prototype;
  const listen = vi.spyOn(Server.prototype, "listen");
  let early: Socket | undefined;
  listen.mockImplementation(function (this: Server, ...args: unknown[]) {
    const bind = (): unknown => Reflect.apply(original, this, args);
    if (listen.mock.calls.length === 1) bind();
    // The first address is bound; the second waits until somebody has come to the first.
    else early = connect(port, "127.0.0.1", () => setImmediate(bind));
    return this;
  } as typeof original);
  try {
    const listener = yield* listenTcp(port, { host: ["127.0.0.1", "127.0.0.2"] });
    const stream = yield* failAfter(1_000, listener.accept());
    expect(stream.remoteAddress.port).toBe(early?.localPort);
    yield* stream.close();
    yield* listener.close();
  } finally {
    listen.mockRestore();
    early?.destroy();
  }
});
