/** The work queue in memory keeps the rules of work queues. */
import { workQueueConformance } from "@anyloop/bridge-broker/conformance";
import { memoryWorkQueue } from "@anyloop/bridge-broker";
import { sleep } from "@anyloop/core";
import { test } from "vitest";

for (const { name, perform } of workQueueConformance({ make: memoryWorkQueue, pass: sleep }, { seeds: 5 })) {
  test(name, perform);
}
