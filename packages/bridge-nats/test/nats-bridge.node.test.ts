/** Work queues over a real NATS keep the rules of bridges; on the other side is a program with nothing but the client. */
import { brokerBridgeConformance, type ForeignProgram } from "@anyloop/bridge-broker/conformance";
import { natsWorkQueue } from "@anyloop/bridge-nats";
import { registerCases } from "@anyloop/testing";
import { AckPolicy, DiscardPolicy, jetstream, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { describe, test } from "vitest";
import { newStream, skipped, url, useServer } from "./server.ts";

useServer();

/** More than a foreign program of the rules writes: the plain client is refused when the stream is full. */
const capacity = 100;

async function foreignProgram(stream: string): Promise<ForeignProgram> {
  const client = await connect({ servers: url() });
  const { streams, consumers } = await jetstreamManager(client);
  await streams.add({
    name: stream,
    subjects: [stream],
    retention: RetentionPolicy.Workqueue,
    max_msgs: capacity,
    discard: DiscardPolicy.New,
  });
  const js = jetstream(client);
  return {
    write: (item) => js.publish(stream, item),
    async read() {
      await consumers.add(stream, { durable_name: "foreign", ack_policy: AckPolicy.Explicit });
      const consumer = await js.consumers.get(stream, "foreign");
      for (;;) {
        const message = await consumer.next({ expires: 1_000 });
        if (message === null) continue;
        await message.ackAck();
        return message.string();
      }
    },
    close: () => client.close(),
  };
}

const cases = brokerBridgeConformance(
  {
    async make() {
      const stream = newStream();
      const foreign = await foreignProgram(stream);
      return { queue: natsWorkQueue({ servers: url(), stream, capacity }), foreign };
    },
    connections: () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length,
  },
  { seeds: 2 },
);

describe.skipIf(skipped !== undefined)(`over NATS${skipped === undefined ? "" : ` [${skipped}]`}`, () =>
  registerCases(test, cases),
);
