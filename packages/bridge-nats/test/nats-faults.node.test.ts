/** Work queues over a NATS to which things happen. */
import { fileURLToPath } from "node:url";
import { brokerFaults } from "@anyloop/bridge-broker/conformance";
import { natsWorkQueue } from "@anyloop/bridge-nats";
import { openNatsServer } from "@anyloop/bridge-nats/server";
import { describe, test } from "vitest";
import { skipped } from "./server.ts";

const worker = fileURLToPath(new URL("programs/stuck-worker.ts", import.meta.url));

const cases = brokerFaults({
  open: openNatsServer,
  queue: (port, stream, options) =>
    natsWorkQueue({ ...options, servers: `nats://127.0.0.1:${String(port)}`, stream }),
  stuckWorker: [process.execPath, "--conditions=@anyloop/source", worker],
});

describe.skipIf(skipped !== undefined)(`over NATS${skipped === undefined ? "" : ` [${skipped}]`}`, () => {
  for (const { name, perform } of cases) test(name, perform, 60_000);
});
