/** Work queues in Redis Streams. */
export { redisWorkQueue, type RedisWorkQueueOptions } from "./redis-work-queue.ts";
