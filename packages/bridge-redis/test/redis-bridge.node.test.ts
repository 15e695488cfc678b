/** Work queues over a real Redis keep the rules of bridges; on the other side is a program with nothing but ioredis. */
import { brokerBridgeConformance, type ForeignProgram } from "@anyloop/bridge-broker/conformance";
import { redisWorkQueue } from "@anyloop/bridge-redis";
import { registerCases } from "@anyloop/testing";
import { Redis } from "ioredis";
import { describe, test } from "vitest";
import { newStream, skipped, url, useServer } from "./server.ts";

useServer();

async function foreignProgram(stream: string): Promise<ForeignProgram> {
  const client = new Redis(url(), { lazyConnect: true });
  await client.connect();
  return {
    write: (item) => client.xadd(stream, "*", "value", item),
    async read() {
      const streams = (await client.xread("COUNT", 1, "BLOCK", 0, "STREAMS", stream, "0")) as unknown as [
        [stream: string, entries: [[id: string, fields: [name: string, value: string]]]],
      ];
      const [[, [[id, [, value]]]]] = streams;
      await client.xdel(stream, id);
      return value;
    },
    async close() {
      client.disconnect();
    },
  };
}

const cases = brokerBridgeConformance(
  {
    async make() {
      const stream = newStream();
      const foreign = await foreignProgram(stream);
      return { queue: redisWorkQueue({ url: url(), stream, capacity: 20 }), foreign };
    },
    connections: () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length,
  },
  { seeds: 2 },
);

describe.skipIf(skipped !== undefined)(`over Redis${skipped === undefined ? "" : ` [${skipped}]`}`, () =>
  registerCases(test, cases),
);
