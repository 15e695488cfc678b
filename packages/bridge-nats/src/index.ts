/** Work queues in NATS JetStream. */
export { natsWorkQueue, type NatsWorkQueueOptions } from "./nats-work-queue.ts";
