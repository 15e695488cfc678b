/**
 * The stream and its consumer on the server.
 *
 * Invariant: what is there already is used as it is, but for the capacity and the time after which a message is handed out
 * again, which are those of whoever came last.
 */
import {
  AckPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from "@nats-io/jetstream";
import { nanos, type NatsConnection } from "@nats-io/transport-node";
import { answerTimeout } from "./connection.ts";

/** Makes the stream unless it is there. It keeps each message, on disk, until it is acknowledged. */
export async function makeStream(
  connection: NatsConnection,
  stream: string,
  capacity: number,
): Promise<void> {
  const manager = await jetstreamManager(connection, { timeout: answerTimeout });
  const limits = capacity === Infinity ? {} : { max_msgs: capacity, discard: DiscardPolicy.New };
  const existing = await infoOf(manager, stream);
  if (existing === undefined) {
    await manager.streams.add({
      name: stream,
      subjects: [stream],
      retention: RetentionPolicy.Workqueue,
      storage: StorageType.File,
      ...limits,
    });
  } else if (capacity !== Infinity && existing.config.max_msgs !== capacity) {
    await manager.streams.update(stream, limits);
  }
}

/** Deletes the stream, with its consumers, if it is there. */
export async function deleteStream(connection: NatsConnection, stream: string): Promise<void> {
  const manager = await jetstreamManager(connection, { timeout: answerTimeout });
  if ((await infoOf(manager, stream)) !== undefined) await manager.streams.delete(stream);
}

async function infoOf({ streams }: JetStreamManager, stream: string): Promise<StreamInfo | undefined> {
  try {
    return await streams.info(stream);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound)
      return undefined;
    throw error;
  }
}

/** Makes the durable consumer that all receivers of the group share, unless it is there. */
export async function makeConsumer(
  connection: NatsConnection,
  stream: string,
  group: string,
  redeliverAfter: number,
): Promise<void> {
  const manager = await jetstreamManager(connection, { timeout: answerTimeout });
  await manager.consumers.add(stream, {
    durable_name: group,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(redeliverAfter),
    // Poison and backpressure are the receivers' part: here a message would be dropped, or held back for all.
    max_deliver: -1,
    max_ack_pending: -1,
  });
}
