/** Opens everything, next to a thread that waits, and waits for nothing: the process is to end by itself. */
import { Worker } from "node:worker_threads";
import { UniversalQueue } from "@anyloop/bridge";
import { portPortal, portQueue, portStream, shareQueue } from "@anyloop/bridge-worker";
import { run } from "anyloop";

const worker = new Worker(new URL("other-side.ts", import.meta.url));
const stream = portStream<string, never>(worker, { name: "relays" });
portPortal(worker);
portQueue(worker, { name: "theirs" });
shareQueue(worker, new UniversalQueue(), { name: "ours" });
const { port1, port2 } = new MessageChannel();
portStream(port1);
portStream(port2);
// Whoever runs a thread says whether it keeps the process alive; Node takes that back when somebody begins to listen.
worker.unref();
await run(stream.send("1"));
console.log("sent");
