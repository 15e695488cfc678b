/**
 * The sending end of a JetStream stream.
 *
 * Invariant: `send` comes back once the server has stored the value. Each is sent under an id of its own, so that one
 * that is sent again because no answer came is stored once.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { checkValue, encode } from "@anyloop/bridge-broker/lowlevel";
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
import { jetstream, JetStreamApiError } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { answerTimeout, type Connection } from "./connection.ts";

/** Milliseconds until a full stream is tried again: NATS tells nobody that there is room. */
const tryAgainAfter = 20;
/** What the server says of a stream that is full. */
const maximumMessagesExceeded = 10_077;

export class NatsSender<T> implements ObjectSendStream<T> {
  private readonly connection: Connection;
  private readonly stream: string;
  private isClosed = false;

  constructor(connection: Connection, stream: string) {
    this.connection = connection;
    this.stream = stream;
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
    const id = randomUUID();
    while (!this.isClosed) {
      if (yield* fromPromise((signal) => this.store(raw, id, signal))) return;
      yield* fromPromise((signal) => delay(tryAgainAfter, undefined, { signal }));
    }
    throw new ClosedResourceError();
  }

  private store(raw: string, id: string, signal: AbortSignal): Promise<boolean> {
    return this.connection.command((connection) => publish(connection, this.stream, raw, id), signal);
  }

  private *doClose(): Coroutine<void> {
    if (!this.isClosed) {
      this.isClosed = true;
      yield* shield(fromPromise(this.connection.close()));
    }
    yield* checkpointIfCancelled();
  }
}

/** Whether there was room. */
async function publish(
  connection: NatsConnection,
  stream: string,
  raw: string,
  id: string,
): Promise<boolean> {
  try {
    await jetstream(connection).publish(stream, raw, { msgID: id, timeout: answerTimeout });
    return true;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === maximumMessagesExceeded) return false;
    throw error;
  }
}
