/** Closes a receiver that has not taken its signal: the signal then does what it always does. */
import { once } from "node:events";
import { fromPromise, run, sleep, use } from "@anyloop/core";
import { signals } from "@anyloop/io";
import { kernel } from "@anyloop/kernel";

await run(
  function* () {
    yield* use(signals("SIGTERM"), function* () {
      const heard = once(process, "SIGTERM");
      process.kill(process.pid, "SIGTERM");
      yield* fromPromise(heard);
      console.log("heard, not taken");
    });
    yield* sleep(10_000);
  },
  { backend: kernel() },
);
