/**
 * A JetStream stream, pulled through a durable consumer.
 *
 * Invariant: the server hands a message out again unless it has confirmed the acknowledgement, for which `ack` waits.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { PulledMessage, PullSource, Settlement } from "@anyloop/bridge-broker/lowlevel";
import { type Consumer, type ConsumerMessages, jetstream, type JsMsg } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { answerTimeout, type Connection } from "./connection.ts";
import { makeConsumer, makeStream } from "./jetstream.ts";

/** Milliseconds that a pull waits for messages: the least that the client library takes. */
const longestPull = 1_000;

export interface ConsumerSourceOptions {
  readonly stream: string;
  readonly group: string;
  readonly capacity: number;
  readonly redeliverAfter: number;
}

export class ConsumerSource implements PullSource {
  private readonly connection: Connection;
  private readonly options: ConsumerSourceOptions;
  private consumer: Consumer | undefined = undefined;

  constructor(connection: Connection, options: ConsumerSourceOptions) {
    this.connection = connection;
    this.options = options;
  }

  /** Makes the stream and its consumer unless they are there. */
  async open(signal: AbortSignal): Promise<void> {
    this.consumer = await this.connection.command((raw) => this.makeConsumer(raw), signal);
  }

  async pull(count: number, take: (message: PulledMessage) => void, signal: AbortSignal): Promise<void> {
    try {
      await this.connection.command((raw) => this.pullOnce(raw, count, take, signal), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  private async makeConsumer(raw: NatsConnection): Promise<Consumer> {
    const { stream, group, capacity, redeliverAfter } = this.options;
    await makeStream(raw, stream, capacity);
    await makeConsumer(raw, stream, group, redeliverAfter);
    return await jetstream(raw).consumers.get(stream, group);
  }

  private async pullOnce(
    raw: NatsConnection,
    count: number,
    take: (message: PulledMessage) => void,
    signal: AbortSignal,
  ): Promise<void> {
    this.consumer ??= await this.makeConsumer(raw);
    try {
      const messages = await this.consumer.fetch({ max_messages: count, expires: longestPull });
      await this.takeAll(messages, take, signal);
    } catch (error) {
      // Somebody may have deleted it, or the server has come back without its data: the next try makes it anew.
      this.consumer = undefined;
      throw error;
    }
  }

  private async takeAll(
    messages: ConsumerMessages,
    take: (message: PulledMessage) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const stop = (): void => messages.stop();
    signal.addEventListener("abort", stop, { once: true });
    // After a reconnect the server knows nothing of the pull, and would never end it.
    const done = new AbortController();
    delay(2 * longestPull, undefined, { signal: done.signal }).then(stop, () => {});
    try {
      for await (const message of messages) take(this.message(message));
    } finally {
      done.abort();
      signal.removeEventListener("abort", stop);
    }
  }

  private message(message: JsMsg): PulledMessage {
    return {
      raw: message.string(),
      deliveries: message.info.deliveryCount,
      settle: (how, signal) => this.settle(message, how, signal),
    };
  }

  private async settle(message: JsMsg, how: Settlement, signal: AbortSignal): Promise<void> {
    // Where the answer goes, which the interface does not show.
    const { reply } = message as JsMsg & { readonly reply: string };
    await this.connection.command((raw) => sayTo(raw, reply, how), signal);
  }
}

/** Not by the message's own methods: they speak once, and what was said to a server that was away has to be repeated. */
async function sayTo(raw: NatsConnection, reply: string, how: Settlement): Promise<void> {
  switch (how) {
    case "ack":
      await raw.request(reply, "+ACK", { timeout: answerTimeout });
      return;
    case "nak":
      raw.publish(reply, "-NAK");
      await raw.flush();
      return;
    case "working":
      raw.publish(reply, "+WPI");
      await raw.flush();
  }
}
