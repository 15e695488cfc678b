/** A work queue in a NATS JetStream stream. */
import type { Delivery, WorkQueue, WorkQueueOptions } from "@anyloop/bridge-broker";
import { checkLimits, PulledReceiver, type WorkQueueLimits } from "@anyloop/bridge-broker/lowlevel";
import {
  fromPromise,
  type ObjectReceiveStream,
  type ObjectSendStream,
  type Operation,
  UsageError,
} from "@anyloop/core";
import { Connection } from "./connection.ts";
import { ConsumerSource } from "./consumer-source.ts";
import { deleteStream, makeStream } from "./jetstream.ts";
import { NatsSender } from "./nats-sender.ts";

export interface NatsWorkQueueOptions<T> extends WorkQueueOptions<T> {
  /** `nats://user:password@host:4222`, or several of one cluster. */
  readonly servers: string | readonly string[];
  /** The stream's name, and the subject that it keeps. Made when it is first used. */
  readonly stream: string;
  /** The durable consumer, whose receivers share the messages. "workers" if not given. */
  readonly group?: string | undefined;
  /** Milliseconds that operations wait for a server that has gone, before they are Broken. 30 000 if not given. */
  readonly reconnectFor?: number | undefined;
}

class NatsWorkQueue<T> implements WorkQueue<T> {
  private readonly options: NatsWorkQueueOptions<T>;
  private readonly limits: WorkQueueLimits;

  constructor(options: NatsWorkQueueOptions<T>) {
    this.limits = checkLimits(options);
    checkName("stream", options.stream);
    checkName("group", options.group ?? "workers");
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
    await this.connected(signal, async (connection) => {
      await connection.command((raw) => deleteStream(raw, this.options.stream), signal);
      await connection.close();
    });
  }

  private async connectSender(signal: AbortSignal): Promise<ObjectSendStream<T>> {
    const { stream } = this.options;
    return await this.connected(signal, async (connection) => {
      await connection.command((raw) => makeStream(raw, stream, this.limits.capacity), signal);
      return new NatsSender<T>(connection, stream);
    });
  }

  private async connectReceiver(signal: AbortSignal): Promise<ObjectReceiveStream<Delivery<T>>> {
    const { stream, group = "workers" } = this.options;
    return await this.connected(signal, async (connection) => {
      const source = new ConsumerSource(connection, { stream, group, ...this.limits });
      await source.open(signal);
      return new PulledReceiver<T>(source, this.options);
    });
  }

  /** What is made of a new connection, which is closed if that fails. */
  private async connected<R>(signal: AbortSignal, make: (connection: Connection) => Promise<R>): Promise<R> {
    const { servers, reconnectFor = 30_000 } = this.options;
    const connection = await Connection.open({ servers, reconnectFor }, signal);
    try {
      return await make(connection);
    } catch (error) {
      await connection.close();
      throw error;
    }
  }
}

function checkName(what: string, name: string): void {
  if (/^[^\s.*>/\\]+$/.test(name)) return;
  throw new UsageError(
    `${JSON.stringify(name)} is no name of a ${what} in NATS. Give one without spaces and without . * > / \\.`,
  );
}

/**
 * A work queue in a JetStream stream (NATS 2.9 or newer): its messages outlive the process, and any process can open it.
 * What was acknowledged is removed from the stream, unless it is one that you have made otherwise.
 *
 * ```ts no-run
 * const jobs = natsWorkQueue<Job>({ servers: "nats://localhost:4222", stream: "jobs" });
 * await run(use(jobs.openReceiver(), (receiver) => forEachDelivery(receiver, perform)));
 * ```
 *
 * Opening an end throws BrokerError if the server cannot be reached or refuses. An end that is open waits `reconnectFor`
 * for a server that has gone, and throws BrokenResourceError then.
 *
 * @throws UsageError for options that cannot be.
 */
export function natsWorkQueue<T>(options: NatsWorkQueueOptions<T>): WorkQueue<T> {
  return new NatsWorkQueue(options);
}
