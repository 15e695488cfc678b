/** The work queue in memory keeps the rules of work queues. */
import { workQueueConformance } from "@anyloop/bridge-broker/conformance";
import { memoryWorkQueue } from "@anyloop/bridge-broker";
import { run, sleep } from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import { expect, test } from "vitest";

for (const { name, perform } of workQueueConformance({ make: memoryWorkQueue, pass: sleep }, { seeds: 5 })) {
  test(name, perform);
}

test("deleted while a message is in hand, the queue counts right afterwards", async () => {
  const queue = memoryWorkQueue<number>({ capacity: 1 });
  await run(
    function* () {
      const sender = yield* queue.openSender();
      const receiver = yield* queue.openReceiver();
      yield* sender.send(1);
      const delivery = yield* receiver.receive();
      yield* queue.delete();
      yield* delivery.ack();
      expect(queue.statistics()).toEqual({ ready: 0, handedOut: 0 });
      yield* sender.send(2);
      expect((yield* receiver.receive()).value).toBe(2);
    },
    { backend: kernel() },
  );
});
