/** Work queues over a real Redis keep the rules of work queues. */
import { setTimeout as delay } from "node:timers/promises";
import { workQueueConformance } from "@anyloop/bridge-broker/conformance";
import { redisWorkQueue } from "@anyloop/bridge-redis";
import { fromPromise } from "@anyloop/core";
import { describe, test } from "vitest";
import { newStream, skipped, url, useServer } from "./server.ts";

useServer();

const cases = workQueueConformance(
  {
    make: (options) => redisWorkQueue({ ...options, url: url(), stream: newStream() }),
    pass: (milliseconds) => fromPromise((signal) => delay(milliseconds, undefined, { signal })),
  },
  { seeds: 2 },
);

describe.skipIf(skipped !== undefined)(`over Redis${skipped === undefined ? "" : ` [${skipped}]`}`, () => {
  for (const { name, perform } of cases) test(name, perform, 30_000);
});
