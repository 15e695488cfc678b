/**
 * The sending end of a Redis stream.
 *
 * Invariant: `send` comes back once the server has stored the value. Cancelled while the server is there, either it was
 * stored and `send` returns, or it was not and is cancelled.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  ClosedResourceError,
  type Coroutine,
  fromPromise,
  type ObjectSendStream,
  type Operation,
  perform,
  shield,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { checkValue, encode } from "@anyloop/bridge-broker/lowlevel";
import type { RedisConnection } from "./connection.ts";
import { field, storeScript } from "./scripts.ts";

/** Milliseconds until a full stream is looked at again: Redis tells nobody that there is room. */
const lookAgainAfter = 20;

export class RedisSender<T> implements ObjectSendStream<T> {
  private readonly connection: RedisConnection;
  private readonly stream: string;
  private readonly capacity: number;
  private isClosed = false;

  constructor(connection: RedisConnection, stream: string, capacity: number) {
    this.connection = connection;
    this.stream = stream;
    this.capacity = capacity;
  }

  send(value: T): Operation<void> {
    checkValue(value);
    return perform(this, this.doSend, encode(value));
  }

  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doSend(raw: string): Coroutine<void> {
    yield* checkpointIfCancelled();
    while (!this.isClosed) {
      if (yield* fromPromise((signal) => this.store(raw, signal))) return;
      yield* fromPromise((signal) => delay(lookAgainAfter, undefined, { signal }));
    }
    throw new ClosedResourceError();
  }

  /** Whether there was room. */
  private async store(raw: string, signal: AbortSignal): Promise<boolean> {
    const { stream, capacity } = this;
    const id = await this.connection.command(
      (client) =>
        capacity === Infinity
          ? client.xadd(stream, "*", field, raw)
          : client.eval(storeScript, 1, stream, capacity, raw),
      signal,
    );
    return id !== null;
  }

  private *doClose(): Coroutine<void> {
    if (!this.isClosed) {
      this.isClosed = true;
      yield* shield(fromPromise(this.connection.close()));
    }
    yield* checkpointIfCancelled();
  }
}
