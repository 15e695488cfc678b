/** Connecting, listening and sending, with real sockets. */
import { AsyncLocalStorage } from "node:async_hooks";
import { access, chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  all,
  BrokenResourceError,
  BusyResourceError,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  Event,
  failAfter,
  fromPromise,
  linesOf,
  now,
  type Operation,
  operation,
  run,
  sleep,
  sleepForever,
  taskGroup,
  use,
  UsageError,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { kernel } from "@anyloop/kernel";
import {
  AcceptError,
  BindError,
  ConnectError,
  connectTcp,
  connectUnix,
  listenTcp,
  listenUnix,
  openProcess,
  resolve,
  ResolveError,
  type SocketStream,
  tcp,
  type TcpListener,
  type TcpStream,
  unix,
} from "@anyloop/io";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test, vi } from "vitest";
import { caught, each, type Gaps } from "./each-real.ts";
import { commandOf, noPrograms, runProgram } from "./program.ts";

const localhost = { host: "127.0.0.1" };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);
const portOf = ({ addresses: [address] }: TcpListener): number => address?.port ?? 0;

const openPair = operation(function* openPair(): Coroutine<readonly [near: TcpStream, far: TcpStream]> {
  const listener = yield* listenTcp(0, localhost);
  const pair = yield* all([connectTcp("127.0.0.1", portOf(listener)), listener.accept()]);
  yield* listener.close();
  return pair;
});

/** Sizes of the writes that reach the runtime's socket; empty ones only ask to be called back. */
function writesOf({ raw }: SocketStream<unknown>): number[] {
  const sizes: number[] = [];
  const write = raw.write.bind(raw) as (...args: unknown[]) => boolean;
  raw.write = (...args: unknown[]): boolean => {
    const [data] = args as [Uint8Array];
    if (data.length > 0) sizes.push(data.length);
    return write(...args);
  };
  return sizes;
}

function onPair(name: string, body: (near: TcpStream, far: TcpStream) => Coroutine<void>, gaps?: Gaps): void {
  const onOpenPair = function* (): Coroutine<void> {
    const [near, far] = yield* openPair();
    try {
      yield* body(near, far);
    } finally {
      yield* near.close();
      yield* far.close();
    }
  };
  each(name, onOpenPair, gaps);
}

const inTemporaryDirectory = operation(function* inTemporaryDirectory(
  body: (directory: string) => Coroutine<void>,
): Coroutine<void> {
  const directory = yield* fromPromise(mkdtemp(join(tmpdir(), "anyloop-")));
  try {
    yield* body(directory);
  } finally {
    yield* fromPromise(rm(directory, { recursive: true }));
  }
});

onPair("what a task sends goes out in one write when it blocks", function* (near, far) {
  const writes = writesOf(near);
  for (let count = 0; count < 50; count++) yield* near.send(bytes("line\n"));
  expect(writes).toEqual([]);
  yield* sleep(1);
  expect(writes).toEqual([250]);
  expect(text(yield* far.receive())).toBe("line\n".repeat(50));
});

onPair("a task whose budget is spent has not blocked", function* (near, far) {
  const writes = writesOf(near);
  for (let count = 0; count < 2_000; count++) yield* near.send(bytes("line\n"));
  yield* sleep(1);
  // One for each slice of 0.2 ms, not one for each turn among the tasks.
  expect(writes.length).toBeLessThan(20);
  let received = 0;
  while (received < 10_000) received += (yield* far.receive()).length;
});

onPair("it goes out when the task ends", function* (near, far) {
  const writes = writesOf(near);
  yield* taskGroup(function* (group) {
    const task = group.startSoon(function* () {
      yield* near.send(bytes("one "));
      yield* near.send(bytes("two"));
    });
    yield* task.wait();
    expect(writes).toEqual([7]);
  });
  expect(text(yield* far.receive())).toBe("one two");
});

onPair("an await on a send that is done at once is not blocking", function* (near, far) {
  const writes = writesOf(near);
  yield* taskGroup(function* (group) {
    group.startSoon(async () => {
      for (let count = 0; count < 50; count++) await near.send(bytes("x"));
      expect(writes).toEqual([]);
      await sleep(1);
      expect(writes).toEqual([50]);
      await near.send(bytes("y"));
      // A promise that no loop knows of: the host's next turn is the latest.
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
      expect(writes).toEqual([50, 1]);
    });
  });
  expect((yield* far.receive()).length).toBeGreaterThan(0);
});

onPair("a task that never blocks is written for at the end of the drain", function* (near, far) {
  yield* taskGroup(function* (group) {
    const spin = { isOver: false };
    group.startSoon(function* () {
      yield* near.send(bytes("x"));
      while (!spin.isOver) yield* checkpointIfCancelled();
    });
    expect(text(yield* far.receive())).toBe("x");
    spin.isOver = true;
  });
});

onPair("past 64 kB it goes out without waiting for more", function* (near, far) {
  const writes = writesOf(near);
  for (let count = 0; count < 7; count++) yield* near.send(new Uint8Array(10_000));
  expect(writes.reduce((sum, size) => sum + size, 0)).toBe(70_000);
  let received = 0;
  while (received < 70_000) received += (yield* far.receive()).length;
});

onPair(
  "what is sent by several tasks is not mixed up, and their buffers are theirs again",
  function* (near, far) {
    const buffer = new Uint8Array(3);
    yield* taskGroup(function* (group) {
      for (const stream of [near, far]) {
        group.startSoon(function* () {
          for (const value of [1, 2, 3]) {
            buffer.fill(value);
            yield* stream.send(buffer);
          }
        });
      }
      yield* waitAllTasksBlocked();
      expect([...(yield* near.receive())]).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3]);
      expect([...(yield* far.receive())]).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3]);
    });
  },
);

onPair("cancelling does not take back what send has accepted", function* (near, far) {
  const scope = new CancelScope();
  yield* scope.run(function* () {
    yield* near.send(bytes("accepted"));
    scope.cancel();
    yield* near.send(bytes("never"));
  });
  expect(text(yield* far.receive())).toBe("accepted");
  yield* near.close();
  expect(yield* caught(far.receive())).toBeInstanceOf(EndOfStream);
});

onPair("flush waits until the system has everything", function* (near, far) {
  const writes = writesOf(near);
  yield* near.send(bytes("now"));
  yield* near.flush();
  expect(writes).toEqual([3]);
  expect(text(yield* far.receive())).toBe("now");
});

onPair("a flush that was cancelled does not make the next one come too early", function* (near, far) {
  yield* taskGroup(function* (group) {
    const size = 8 << 20;
    const filling = group.startSoon(near.send(new Uint8Array(size)));
    yield* waitAllTasksBlocked();
    filling.cancel();
    yield* filling.wait();
    const scope = new CancelScope();
    group.startSoon(scope.run(near.flush()));
    yield* waitAllTasksBlocked();
    scope.cancel();
    yield* waitAllTasksBlocked();
    const flushing = group.startSoon(near.flush());
    yield* waitAllTasksBlocked();
    expect(flushing.status).toBe("running");
    for (let received = 0; received < size;) received += (yield* far.receive()).length;
    yield* flushing.join();
    expect(near.raw.writableLength).toBe(0);
  });
});

onPair("a large send under way is finished by a cancellation, and refuses a second", function* (near, far) {
  const size = 8 << 20;
  yield* taskGroup(function* (group) {
    const sending = group.startSoon(function* () {
      yield* near.send(new Uint8Array(size));
      return "accepted";
    });
    yield* waitAllTasksBlocked();
    expect(yield* caught(near.send(bytes("x")))).toBeInstanceOf(BusyResourceError);
    sending.cancel();
    yield* sending.wait();
    expect(sending.value).toBe("accepted");
  });
  let received = 0;
  while (received < size) received += (yield* far.receive()).length;
});

onPair("receiveInto fills the caller's buffer", function* (near, far) {
  const buffer = new Uint8Array(4);
  yield* taskGroup(function* (group) {
    const first = group.startSoon(near.receiveInto(buffer));
    yield* waitAllTasksBlocked();
    yield* far.send(bytes("abcdef"));
    expect(yield* first.join()).toBe(4);
    expect(text(buffer)).toBe("abcd");
    expect(yield* near.receiveInto(buffer)).toBe(2);
    expect(text(buffer)).toBe("efcd");
  });
  expect(() => near.receiveInto(new Uint8Array(0))).toThrow(UsageError);
});

onPair("a small piece does not overtake what is left of a large one", function* (near) {
  yield* taskGroup(function* (group) {
    const first = group.startSoon(near.receive(2));
    yield* waitAllTasksBlocked();
    // As if the system had brought both in one turn.
    near.raw.push(bytes("long"));
    near.raw.push(bytes("x"));
    expect(text(yield* first.join())).toBe("lo");
    expect(text(yield* near.receive())).toBe("ngx");
  });
});

onPair("an operation may be kept and performed again", function* (near, far) {
  const send = near.send(bytes("again "));
  const receive = far.receive();
  yield* send;
  expect(text(yield* receive)).toBe("again ");
  yield* send;
  expect(text(yield* receive)).toBe("again ");
});

onPair("a reset is a broken stream, with the system's error as its cause", function* (near, far) {
  far.raw.resetAndDestroy();
  const error = yield* caught(near.receive());
  expect(error).toBeInstanceOf(BrokenResourceError);
  expect((error as Error).cause).toMatchObject({ code: "ECONNRESET" });
  expect((error as Error).message).toMatch(/ECONNRESET/);
  // Told by receive, it is not told again by close.
  yield* near.close();
});

onPair("a reset breaks sending, with the system's error as its cause", function* (near, far) {
  far.raw.resetAndDestroy();
  while (!near.raw.closed) yield* sleep(1);
  for (let count = 0; count < 2; count++) {
    const error = yield* caught(near.send(bytes("x")));
    expect(error).toBeInstanceOf(BrokenResourceError);
    expect(((error as Error).cause as { code?: string }).code).toMatch(/ECONNRESET|EPIPE/);
  }
});

onPair("a reset of an idle connection does not make close fail", function* (near, far) {
  far.raw.resetAndDestroy();
  while (!near.raw.closed) yield* sleep(1);
  yield* near.close();
});

onPair(
  "close throws an error of writing that no operation has reported",
  function* (near, far) {
    yield* taskGroup(function* (group) {
      const filling = group.startSoon(near.send(new Uint8Array(8 << 20)));
      yield* waitAllTasksBlocked();
      filling.cancel();
    });
    far.raw.resetAndDestroy();
    while (!near.raw.closed) yield* sleep(1);
    expect(yield* caught(near.close())).toBeInstanceOf(BrokenResourceError);
    yield* near.close();
  },
  { deno: "it forgets what was under way" },
);

onPair("addresses are those of the two ends", function* (near, far) {
  expect(near.localAddress).toEqual(far.remoteAddress);
  expect(near.remoteAddress).toEqual(far.localAddress);
  expect(near.remoteAddress).toMatchObject({ host: "127.0.0.1", family: 4 });
});

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

each("localAddress chooses where a connection comes from", function* () {
  const listener = yield* listenTcp(0, localhost);
  const [near, far] = yield* all([
    connectTcp("127.0.0.1", portOf(listener), { localAddress: "127.0.0.3" }),
    listener.accept(),
  ]);
  expect(far.remoteAddress.host).toBe("127.0.0.3");
  yield* near.close();
  yield* far.close();
  yield* listener.close();
});

interface TypedError {
  readonly work: () => Operation<unknown>;
  readonly type: abstract new (...args: never[]) => Error;
  readonly code: string | RegExp;
  readonly message: RegExp;
}

const failures: Readonly<Record<string, TypedError>> = {
  "nobody listens": {
    work: () => connectTcp("127.0.0.1", 1),
    type: ConnectError,
    code: "ECONNREFUSED",
    message: /Connecting to 127.0.0.1:1 failed \(ECONNREFUSED\). Nobody is listening there/,
  },
  "the host is unknown": {
    work: () => connectTcp("no-such-host.invalid", 80),
    type: ResolveError,
    code: /ENOTFOUND|EAI_AGAIN/,
    message: /Looking up no-such-host.invalid failed/,
  },
  "there is no socket file": {
    work: () => connectUnix("/no/such/socket"),
    type: ConnectError,
    code: "ENOENT",
    message: /Connecting to \/no\/such\/socket failed \(ENOENT\)/,
  },
  "a socket file cannot be made": {
    work: () => listenUnix("/no/such/directory/socket"),
    type: BindError,
    code: /ENOENT|EACCES/,
    message: /Listening on \/no\/such\/directory\/socket failed/,
  },
  "a directory is no socket": {
    work: () => connectUnix("/"),
    type: ConnectError,
    code: /ECONNREFUSED|ENOTSOCK|EACCES/,
    message: /Connecting to \/ failed/,
  },
  "a directory is in the way": {
    work: () => listenUnix("/"),
    type: BindError,
    code: /EADDRINUSE|EINVAL|EACCES/,
    message: /Listening on \/ failed/,
  },
  "nobody may make a socket there": {
    work: () => listenUnix("/proc/anyloop"),
    type: BindError,
    code: /EACCES|ENOENT|EPERM/,
    message: /Listening on \/proc\/anyloop failed/,
  },
  "the address to connect from is not of this machine": {
    work: () => connectTcp("127.0.0.1", 1, { localAddress: "192.0.2.7" }),
    type: ConnectError,
    code: /EADDRNOTAVAIL|EINVAL/,
    message: /Connecting to 127.0.0.1:1 failed/,
  },
  "an address is not of this machine": {
    work: () => listenTcp(0, { host: "192.0.2.1" }),
    type: BindError,
    // Deno's own word is EINVAL.
    code: /EADDRNOTAVAIL|EINVAL/,
    message: /Listening on 192.0.2.1:0 failed/,
  },
};

for (const [situation, { work, type, code, message }] of Object.entries(failures)) {
  each(`a typed error when ${situation}`, function* () {
    const error = (yield* caught(work())) as Error & { code: string };
    expect(error).toBeInstanceOf(type);
    expect(error.code).toMatch(code);
    expect(error.message).toMatch(message);
    expect(error.cause).toBeInstanceOf(Error);
  });
}

const misuses: Readonly<Record<string, () => Operation<unknown>>> = {
  "a port that is too high": () => connectTcp("127.0.0.1", 70_000),
  "a port below 0": () => connectTcp("127.0.0.1", -1),
  "half a port": () => listenTcp(1.5),
  "no port": () => listenTcp(Number.NaN, localhost),
  "an empty host": () => connectTcp("", 80),
  "no hosts": () => listenTcp(0, { host: [] }),
};

for (const [misuse, work] of Object.entries(misuses)) {
  each(`${misuse} is a UsageError`, function* () {
    expect(yield* caught(work())).toBeInstanceOf(UsageError);
  });
}

each("a typed error when the port is in use", function* () {
  const listener = yield* listenTcp(0, localhost);
  const error = (yield* caught(listenTcp(portOf(listener), localhost))) as BindError;
  expect(error).toBeInstanceOf(BindError);
  expect(error.code).toBe("EADDRINUSE");
  expect(error.message).toMatch(/Another program is using this address/);
  yield* listener.close();
});

/** Linux lets everybody take this port and higher ones. */
function lowestFreePort(): number {
  try {
    return Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"));
  } catch {
    return 1024;
  }
}

const noRights =
  noPrograms ??
  ("Deno" in globalThis ? "Deno cannot become another user" : undefined) ??
  (process.getuid?.() === 0 ? undefined : "only root can become nobody");
test.skipIf(noRights !== undefined)(
  `a typed error for whatever is not permitted [${noRights ?? "as nobody"}]`,
  async () => {
    const body = inTemporaryDirectory(function* (directory) {
      const listener = yield* listenUnix(join(directory, "socket"));
      yield* fromPromise(writeFile(join(directory, "secret"), "x", { mode: 0o600 }));
      yield* fromPromise(mkdir(join(directory, "closed"), { mode: 0o700 }));
      yield* fromPromise(chmod(join(directory, "socket"), 0o600));
      yield* fromPromise(chmod(directory, 0o755));
      const { stdout, stderr } = yield* fromPromise(runProgram("no-rights.ts", [directory, "1"]));
      const portIsFree = lowestFreePort() <= 1;
      expect({ stderr, lines: stdout.trim().split("\n") }).toEqual({
        stderr: "",
        lines: [
          "read a file: SystemError EACCES",
          "make a file: SystemError EACCES",
          "run a program: SystemError EACCES",
          "run it there: SystemError EACCES",
          "make a socket: BindError EACCES",
          "use a socket: ConnectError EACCES",
          `take a port: ${portIsFree ? "was done" : "BindError EACCES"}`,
        ],
      });
      yield* listener.close();
    });
    await run(body, { backend: kernel() });
  },
);

test.skipIf(process.getuid?.() === 0 || lowestFreePort() <= 1)(
  "a typed error when the port is not permitted [root may do anything]",
  async () => {
    const error = await run(() => caught(listenTcp(1, localhost)), { backend: kernel() });
    expect(error).toBeInstanceOf(BindError);
    expect((error as BindError).code).toBe("EACCES");
  },
);

each("connecting can be cancelled, and leaves nothing", function* () {
  const scope = new CancelScope({ timeout: 20 });
  // Reserved for documentation: nobody answers, or there is no route.
  yield* scope.run(function* () {
    try {
      yield* connectTcp("192.0.2.1", 9);
    } catch (error) {
      if (error instanceof ConnectError) yield* sleepForever();
      throw error;
    }
  });
  expect(scope.cancelledCaught).toBe(true);
});

each("resolve gives addresses, and an address as itself", function* () {
  expect(yield* resolve("::1", 80)).toEqual([{ host: "::1", port: 80, family: 6 }]);
  const found = yield* resolve("localhost");
  expect(found.some(({ host }) => host === "127.0.0.1" || host === "::1")).toBe(true);
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
