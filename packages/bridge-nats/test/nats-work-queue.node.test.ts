/** Work queues over a real NATS keep the rules of work queues. */
import { setTimeout as delay } from "node:timers/promises";
import { workQueueConformance } from "@anyloop/bridge-broker/conformance";
import { natsWorkQueue } from "@anyloop/bridge-nats";
import { fromPromise } from "@anyloop/core";
import { describe, test } from "vitest";
import { newStream, skipped, url, useServer } from "./server.ts";

useServer();

const cases = workQueueConformance(
  {
    make: (options) => natsWorkQueue({ ...options, servers: url(), stream: newStream() }),
    pass: (milliseconds) => fromPromise((signal) => delay(milliseconds, undefined, { signal })),
  },
  { seeds: 2 },
);

describe.skipIf(skipped !== undefined)(`over NATS${skipped === undefined ? "" : ` [${skipped}]`}`, () => {
  for (const { name, perform } of cases) test(name, perform, 30_000);
});
