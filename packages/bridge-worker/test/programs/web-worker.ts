/** What runs at the other side in a browser, in a web worker: it relays a stream and serves functions. */
import { forward } from "@anyloop/bridge";
import { portStream, servePortal, type WebPort } from "@anyloop/bridge-worker";
import { type Coroutine, forEach, run, sleepForever, taskGroup } from "anyloop";

const port = globalThis as unknown as WebPort;

const functions = {
  *add(a: number, b: number): Coroutine<number> {
    yield* [];
    return a + b;
  },
  *forever(): Coroutine<never> {
    return yield* sleepForever();
  },
  fails(): never {
    throw new RangeError("far too far");
  },
};

export type WebFunctions = typeof functions;

function* relayAll(): Coroutine<void> {
  yield* taskGroup(function* (group) {
    group.startSoon(servePortal(port, functions), { daemon: true });
    yield* forEach(portStream<never, string>(port, { name: "relays" }), (name) => {
      const input = portStream<never, number>(port, { name: `${name}.in`, capacity: 2 });
      group.startSoon(forward(input, portStream<number, never>(port, { name: `${name}.out`, capacity: 2 })));
    });
  });
}

await run(relayAll);
