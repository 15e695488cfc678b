/** A server that has no file descriptors left until it gets SIGUSR2. */
import { closeSync, openSync } from "node:fs";
import { type ByteStream, type Coroutine, run } from "@anyloop/core";
import { listenTcp } from "@anyloop/io";
import { kernel } from "@anyloop/kernel";
import { native } from "@anyloop/native";

const encoder = new TextEncoder();
const taken: number[] = [];

function takeAll(): void {
  try {
    for (;;) taken.push(openSync("/dev/null", "r"));
  } catch {
    // None is left.
  }
}

function* welcome(stream: ByteStream): Coroutine<void> {
  yield* stream.send(encoder.encode("welcome"));
}

process.once("SIGUSR2", () => {
  for (const file of taken) closeSync(file);
  console.log("has some again");
});

await run(
  function* () {
    const listener = yield* listenTcp(0, { host: "127.0.0.1" });
    console.log(listener.addresses[0]?.port);
    takeAll();
    yield* listener.serve(welcome);
  },
  { backend: process.argv[2] === "native" ? native() : kernel() },
);
