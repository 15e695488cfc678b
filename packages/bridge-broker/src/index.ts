/** Work queues with acknowledgement: one shape in memory and over brokers. */
export { BrokerError, MalformedMessageError } from "./errors.ts";
export { forEachDelivery, type ForEachDeliveryOptions } from "./for-each-delivery.ts";
export { MemoryWorkQueue, memoryWorkQueue, type WorkQueueStatistics } from "./memory-work-queue.ts";
export type { DeadLetter, Delivery, Poison, WorkQueue, WorkQueueOptions } from "./work-queue.ts";
