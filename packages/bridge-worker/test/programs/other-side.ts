/** What runs at the other side, in a thread or a process, for the tests: it relays streams, serves functions, shares a queue. */
import { parentPort } from "node:worker_threads";
import { forward, UniversalQueue } from "@anyloop/bridge";
import { type Port, portPortal, portStream, servePortal, shareQueue } from "@anyloop/bridge-worker";
import {
  type Coroutine,
  currentTask,
  forEach,
  operation,
  run,
  shield,
  sleep,
  sleepForever,
  taskGroup,
} from "anyloop";

const port: Port = parentPort ?? process;

/** What comes in at one stream goes out at the other, in between the two directions of what is tested. */
const relay = operation(function* relay(name: string) {
  yield* forward(
    portStream<never, number>(port, { name: `${name}.in`, capacity: 2 }),
    portStream<number, never>(port, { name: `${name}.out`, capacity: 2 }),
  );
});

const cleaned: string[] = [];

export interface HomeFunctions {
  double(value: number): number;
}

const functions = {
  *add(a: number, b: number) {
    return a + b;
  },
  async slowly(milliseconds: number) {
    await sleep(milliseconds);
    return "slow";
  },
  /** Cleans up under a shield when it is cancelled. */
  *stubborn() {
    try {
      yield* sleepForever();
    } finally {
      yield* shield(sleep(20));
      cleaned.push(currentTask().name);
    }
  },
  /** Gives a value though it was cancelled. */
  *winner(): Coroutine<string> {
    try {
      yield* sleepForever();
    } catch {
      return "anyway";
    }
    return "never";
  },
  cleaned: () => cleaned,
  fails() {
    throw Object.assign(new RangeError("far too far", { cause: new TypeError("the root") }), { code: "FAR" });
  },
  unclonable: () => ({ method() {} }),
  /** Calls back into the run that called. */
  *twice(value: number) {
    const home = portPortal<HomeFunctions>(port, { name: "home" });
    const doubled = yield* home.call("double", value);
    yield* home.close();
    return doubled;
  },
};

export type Functions = typeof functions;

/** One after the other: each ends when its caller has closed. */
function* servePortals(): Coroutine<never> {
  for (;;) yield* servePortal(port, functions);
}

if (process.argv[2] === "serve" || parentPort !== null) {
  (parentPort ?? process).on("message", (message) => {
    if (message !== "crash") return;
    setTimeout(() => {
      throw new RangeError("it crashed");
    });
  });
  shareQueue(port, new UniversalQueue<number>({ capacity: 4 }));
  await run(
    taskGroup(function* (group) {
      group.startSoon(servePortals, { daemon: true });
      const names = portStream<never, string>(port, { name: "relays" });
      yield* forEach(names, (name) => void group.startSoon(relay(name)));
    }),
  );
}
