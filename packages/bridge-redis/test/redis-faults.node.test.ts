/** Work queues over a Redis to which things happen. */
import { fileURLToPath } from "node:url";
import { brokerFaults } from "@anyloop/bridge-broker/conformance";
import { redisWorkQueue } from "@anyloop/bridge-redis";
import { openRedisServer } from "@anyloop/bridge-redis/server";
import { describe, test } from "vitest";
import { skipped } from "./server.ts";

const worker = fileURLToPath(new URL("programs/stuck-worker.ts", import.meta.url));

const cases = brokerFaults({
  open: openRedisServer,
  queue: (port, stream, options) =>
    redisWorkQueue({ ...options, url: `redis://127.0.0.1:${String(port)}`, stream }),
  stuckWorker: [process.execPath, "--conditions=@anyloop/source", worker],
});

describe.skipIf(skipped !== undefined)(`over Redis${skipped === undefined ? "" : ` [${skipped}]`}`, () => {
  for (const { name, perform } of cases) test(name, perform, 60_000);
});
