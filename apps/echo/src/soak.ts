/**
 * The soak: thousands of short connections that end in every way there is (closed, half closed, reset, cancelled, timed
 * out), on both backends; then nothing may be left: no handle, no rejection that nobody handled, no more memory than
 * after the first tenth.
 */
import { parseArgs } from "node:util";
import {
  BrokenResourceError,
  type Coroutine,
  EndOfStream,
  moveOnAfter,
  type Operation,
  operation,
  run,
  sleep,
  taskGroup,
  use,
} from "anyloop";
import { ConnectError, connectTcp, listenTcp, type TcpStream } from "@anyloop/io";
import { type BackendName, backends } from "./backends.ts";

const usage = `Usage: soak [--quick] [--connections N] [--json]

50 000 connections (5 000 with --quick) that end in every way. Exits with 1 if anything is left behind.`;

const atOnce = 100;
/** Megabytes by which the heap may differ between the first tenth and the end. */
const allowedGrowth = 3;
const data = new Uint8Array(1_000).fill(120);
/** More than the system buffers for a client that does not read. */
const muchData = new Uint8Array(4 << 20);

const exchange = operation(function* exchange(stream: TcpStream, times: number): Coroutine<void> {
  for (let count = 0; count < times; count++) {
    yield* stream.send(data);
    for (let missing = data.length; missing > 0;) missing -= (yield* stream.receive()).length;
  }
});

const echo = operation(function* echo(stream: TcpStream): Coroutine<void> {
  try {
    for (;;) yield* stream.send(yield* stream.receive());
  } catch (error) {
    if (!(error instanceof EndOfStream)) throw error;
  }
});

/** What a client does before its connection is closed for it. */
const clients: Readonly<Record<string, (stream: TcpStream) => Operation<unknown>>> = {
  "closes in order": (stream) => exchange(stream, 3),
  "closes with an answer on its way": operation(function* (stream: TcpStream) {
    yield* stream.send(data);
    yield* stream.flush();
  }),
  "ends its direction and reads to the end": operation(function* (stream: TcpStream) {
    yield* stream.send(data);
    yield* stream.sendEof();
    try {
      for (;;) yield* stream.receive();
    } catch (error) {
      if (!(error instanceof EndOfStream)) throw error;
    }
  }),
  "resets the connection": operation(function* (stream: TcpStream) {
    yield* exchange(stream, 1);
    yield* stream.send(data);
    stream.raw.resetAndDestroy();
  }),
  "is cancelled in the middle": (stream) =>
    taskGroup(function* (group) {
      group.startSoon(exchange(stream, Infinity));
      yield* sleep(Math.random() * 5);
      group.cancel();
    }),
  "times out while it waits": (stream) => moveOnAfter(Math.random() * 5, stream.receive()),
  "times out in a send that nobody reads": (stream) => moveOnAfter(2, stream.send(muchData)),
};
const behaviours = Object.entries(clients);
const givenUp = "is given up while it connects";

interface Tally {
  readonly ends: Map<string, number>;
  /** Connections that broke under the client, and under the server's handler: resets do that. */
  brokenForClient: number;
  brokenForServer: number;
}

const visit = operation(function* visit(port: number, tally: Tally): Coroutine<void> {
  const [name, client] = behaviours[Math.floor(Math.random() * behaviours.length)] as (typeof behaviours)[0];
  const connecting = connectTcp("127.0.0.1", port);
  let end = name;
  try {
    const stream = yield* Math.random() < 0.05 ? moveOnAfter(Math.random(), connecting) : connecting;
    if (stream === undefined) end = givenUp;
    // A graceful close waits for a reader; a client that has sent too much does not.
    else
      yield* moveOnAfter(
        50,
        use(stream, () => client(stream)),
      );
  } catch (error) {
    if (!(error instanceof BrokenResourceError || error instanceof ConnectError)) throw error;
    tally.brokenForClient++;
  }
  tally.ends.set(end, (tally.ends.get(end) ?? 0) + 1);
});

const visitAll = operation(function* visitAll(port: number, count: number, tally: Tally): Coroutine<void> {
  let left = count;
  yield* taskGroup(function* (group) {
    for (let visitor = 0; visitor < atOnce; visitor++) {
      group.startSoon(function* () {
        while (left-- > 0) yield* visit(port, tally);
      });
    }
  });
});

const soakOn = operation(function* soak(count: number, tally: Tally): Coroutine<void> {
  const onError = (error: unknown): void => {
    if (!(error instanceof BrokenResourceError)) throw error;
    tally.brokenForServer++;
  };
  yield* use(listenTcp(0, { host: "127.0.0.1" }), (listener) =>
    taskGroup(function* (group) {
      group.startSoon(listener.serve(echo, { onError }), { daemon: true });
      yield* visitAll(listener.addresses[0]?.port ?? 0, count, tally);
    }),
  );
});

/** What still keeps the process. Standard streams are no business of ours. */
function leftHandles(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => /TCP|Pipe(?!Wrap)|Timeout|Immediate|Connect/.test(name));
}

async function settledMemory(): Promise<number> {
  // Closed sockets are freed by the host a turn later.
  await run(sleep(100), { backend: backends.kernel() });
  const { gc } = globalThis;
  if (gc === undefined) throw new Error("Run it with node --expose-gc.");
  gc();
  gc();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / (1 << 20);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      connections: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  const connections = Number(values.connections ?? (values.quick ? 5_000 : 50_000));
  const tally: Tally = { ends: new Map(), brokenForClient: 0, brokenForServer: 0 };
  const rejections: unknown[] = [];
  process.on("unhandledRejection", (reason) => rejections.push(reason));
  const started = performance.now();
  let firstTenth = 0;
  for (const [share, names] of [
    [0.05, ["kernel", "native"]],
    [0.45, ["kernel", "native"]],
  ] as const satisfies readonly (readonly [number, readonly BackendName[]])[]) {
    for (const name of names) {
      await run(soakOn(Math.round(connections * share), tally), { backend: backends[name]() });
    }
    firstTenth ||= await settledMemory();
  }
  const growth = (await settledMemory()) - firstTenth;
  const handles = leftHandles();
  const isClean = rejections.length === 0 && handles.length === 0 && growth < allowedGrowth;
  const report = {
    connections,
    seconds: Math.round((performance.now() - started) / 100) / 10,
    ends: Object.fromEntries(tally.ends),
    brokenForClient: tally.brokenForClient,
    brokenForServer: tally.brokenForServer,
    unhandledRejections: rejections.map(String),
    leftHandles: handles,
    growthMegabytes: Math.round(growth * 100) / 100,
    isClean,
  };
  console.log(values.json ? JSON.stringify(report, undefined, 2) : report);
  if (!isClean) process.exitCode = 1;
}

await main();
