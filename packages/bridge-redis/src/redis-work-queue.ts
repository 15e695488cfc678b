/** A work queue in a Redis stream. */
import {
  type ObjectReceiveStream,
  type ObjectSendStream,
  fromPromise,
  type Operation,
  UsageError,
} from "@anyloop/core";
import type { Delivery, WorkQueue, WorkQueueOptions } from "@anyloop/bridge-broker";
import { checkLimits, PulledReceiver, type WorkQueueLimits } from "@anyloop/bridge-broker/lowlevel";
import { RedisConnection } from "./connection.ts";
import { RedisSender } from "./redis-sender.ts";
import { StreamSource } from "./stream-source.ts";

export interface RedisWorkQueueOptions<T> extends WorkQueueOptions<T> {
  /** `redis://user:password@host:6379/0`, or `rediss://` for TLS. */
  readonly url: string;
  /** The stream's key. Made when it is first used. */
  readonly stream: string;
  /** The consumer group: its receivers share the messages, and each group gets all of them. "workers" if not given. */
  readonly group?: string | undefined;
  /** Milliseconds that operations wait for a server that has gone, before they are Broken. 30 000 if not given. */
  readonly reconnectFor?: number | undefined;
}

class RedisWorkQueue<T> implements WorkQueue<T> {
  private readonly options: RedisWorkQueueOptions<T>;
  private readonly limits: WorkQueueLimits;

  constructor(options: RedisWorkQueueOptions<T>) {
    this.limits = checkLimits(options);
    checkUrl(options.url);
    if (options.stream === "" || options.group === "")
      throw new UsageError("A stream and a group have names.");
    this.options = options;
  }

  openSender(): Operation<ObjectSendStream<T>> {
    return fromPromise((signal) => this.connectSender(signal));
  }

  openReceiver(): Operation<ObjectReceiveStream<Delivery<T>>> {
    return fromPromise((signal) => this.connectReceiver(signal));
  }

  delete(): Operation<void> {
    return fromPromise((signal) => this.deleteStream(signal));
  }

  private async deleteStream(signal: AbortSignal): Promise<void> {
    const connection = this.connection();
    await connection.open(signal);
    try {
      await connection.command((client) => client.del(this.options.stream), signal);
    } finally {
      await connection.close();
    }
  }

  private async connectSender(signal: AbortSignal): Promise<ObjectSendStream<T>> {
    const connection = this.connection();
    await connection.open(signal);
    return new RedisSender<T>(connection, this.options.stream, this.limits.capacity);
  }

  private async connectReceiver(signal: AbortSignal): Promise<ObjectReceiveStream<Delivery<T>>> {
    const { stream, group = "workers" } = this.options;
    const { redeliverAfter } = this.limits;
    const source = new StreamSource(this.connection(), this.connection(), { stream, group, redeliverAfter });
    await source.open(signal);
    return new PulledReceiver<T>(source, this.options);
  }

  private connection(): RedisConnection {
    const { url, reconnectFor = 30_000 } = this.options;
    return new RedisConnection({ url, reconnectFor });
  }
}

function checkUrl(url: string): void {
  if (/^rediss?:\/\//.test(url) && URL.canParse(url)) return;
  throw new UsageError(
    `${JSON.stringify(url)} is no URL of a Redis server. Give one like redis://localhost:6379.`,
  );
}

/**
 * A work queue in a Redis stream (Redis 6.2 or newer): its messages outlive the process, and any process can open it.
 * What every group has acknowledged is removed from the stream.
 *
 * ```ts no-run
 * const jobs = redisWorkQueue<Job>({ url: "redis://localhost:6379", stream: "jobs" });
 * await run(use(jobs.openReceiver(), (receiver) => forEachDelivery(receiver, perform)));
 * ```
 *
 * Opening an end throws BrokerError if the server cannot be reached or refuses. An end that is open waits `reconnectFor`
 * for a server that has gone, and throws BrokenResourceError then.
 *
 * @throws UsageError for options that cannot be.
 */
export function redisWorkQueue<T>(options: RedisWorkQueueOptions<T>): WorkQueue<T> {
  return new RedisWorkQueue(options);
}
