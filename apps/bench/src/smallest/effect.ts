/** Two fibers that sleep, waited for together. */
import { Effect } from "effect";

await Effect.runPromise(Effect.all([Effect.sleep(1), Effect.sleep(1)], { concurrency: "unbounded" }));
