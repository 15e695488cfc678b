/**
 * A Redis stream, read as one consumer of its group.
 *
 * Invariant: what a consumer was given is pending on the server until it is acknowledged; what has been pending for too
 * long is claimed by whoever reads next, so nothing is lost with a consumer that died. A message given back is one that
 * has been pending for too long at once, and belongs to nobody.
 */
import { randomUUID } from "node:crypto";
import { BrokerError } from "@anyloop/bridge-broker";
import type { PulledMessage, PullSource, Settlement } from "@anyloop/bridge-broker/lowlevel";
import type { RedisConnection } from "./connection.ts";
import { acknowledgeScript, claimScript, field, forgetScript } from "./scripts.ts";

/** Longest that a read blocks, in milliseconds: so often somebody looks for what others have left. */
const longestBlock = 1_000;
/** A consumer that holds nothing and was not seen for so many milliseconds is dead. */
const deadAfter = 3_600_000;
/** Who owns what was given back. */
const nobody = "nobody";
const wholePass = "0-0";

type Fields = readonly string[];
type Entry = readonly [id: string, fields: Fields];

export interface StreamSourceOptions {
  readonly stream: string;
  readonly group: string;
  readonly redeliverAfter: number;
}

export class StreamSource implements PullSource {
  private readonly consumer = randomUUID();
  private readonly commands: RedisConnection;
  /** A blocked read lets nothing else through: it has a connection of its own. */
  private readonly reads: RedisConnection;
  private readonly options: StreamSourceOptions;
  private cursor = wholePass;
  /** When to look for what others have left, by `performance.now()`. */
  private nextLook = 0;
  /** The id of the connection that a read blocks, by which it can be woken. */
  private reading: Promise<number> | undefined = undefined;

  constructor(commands: RedisConnection, reads: RedisConnection, options: StreamSourceOptions) {
    this.commands = commands;
    this.reads = reads;
    this.options = options;
  }

  /** Connects, and makes the stream and the group unless they are there. */
  async open(signal: AbortSignal): Promise<void> {
    try {
      await this.commands.open(signal);
      await this.reads.open(signal);
      await this.makeGroup(signal);
      await this.forget(deadAfter, signal);
    } catch (error) {
      await this.disconnect();
      throw error;
    }
  }

  async pull(count: number, take: (message: PulledMessage) => void, signal: AbortSignal): Promise<void> {
    try {
      const claimed = performance.now() < this.nextLook ? [] : await this.claim(count, signal);
      const messages = claimed.length > 0 || signal.aborted ? claimed : await this.read(count, signal);
      messages.forEach(take);
    } catch (error) {
      if (signal.aborted) return;
      if (!isGroupGone(error)) throw error;
      // The server has come back without its data, or somebody has deleted the stream.
      await this.makeGroup(signal);
    }
  }

  async close(): Promise<void> {
    // Nobody who has gone is missed: with the server away this can wait for those who come after us.
    if (this.commands.isThere) await this.forget(0, AbortSignal.timeout(longestBlock)).catch(() => {});
    await this.disconnect();
  }

  private async disconnect(): Promise<void> {
    await Promise.all([this.commands.close(), this.reads.close()]);
  }

  /** Forgets consumers that hold nothing. One that lives is known again with its next read. */
  private async forget(idle: number, signal: AbortSignal): Promise<void> {
    const { stream, group } = this.options;
    await this.commands.command((client) => client.eval(forgetScript, 1, stream, group, idle), signal);
  }

  private async makeGroup(signal: AbortSignal): Promise<void> {
    const { stream, group } = this.options;
    try {
      await this.commands.command(
        (client) => client.xgroup("CREATE", stream, group, "0", "MKSTREAM"),
        signal,
      );
    } catch (error) {
      if (!(error instanceof BrokerError && error.message.includes("BUSYGROUP"))) throw error;
    }
  }

  private async claim(count: number, signal: AbortSignal): Promise<PulledMessage[]> {
    const { stream, group, redeliverAfter } = this.options;
    const [cursor, entries] = (await this.commands.command(
      (client) =>
        client.eval(claimScript, 1, stream, group, this.consumer, redeliverAfter, this.cursor, count),
      signal,
    )) as [string, [id: string, deliveries: number, fields: Fields][]];
    this.cursor = cursor;
    if (cursor === wholePass) this.nextLook = performance.now() + Math.min(longestBlock, redeliverAfter);
    return entries.map(([id, deliveries, fields]) => this.message(id, deliveries, fields));
  }

  private async read(count: number, signal: AbortSignal): Promise<PulledMessage[]> {
    const { stream, group } = this.options;
    const milliseconds = Math.max(1, Math.round(this.nextLook - performance.now()));
    const wake = (): void => void this.wakeRead();
    signal.addEventListener("abort", wake, { once: true });
    try {
      const streams = (await this.reads.command(async (client) => {
        this.reading = client.client("ID");
        this.reading.catch(() => {});
        return await client.xreadgroup(
          "GROUP",
          group,
          this.consumer,
          "COUNT",
          count,
          "BLOCK",
          milliseconds,
          "STREAMS",
          stream,
          ">",
        );
      }, signal)) as [stream: string, entries: Entry[]][] | null;
      return streams?.[0]?.[1].map(([id, fields]) => this.message(id, 1, fields)) ?? [];
    } finally {
      this.reading = undefined;
      signal.removeEventListener("abort", wake);
    }
  }

  /** Lets a read that blocks come back at once. */
  private async wakeRead(): Promise<void> {
    try {
      const id = await this.reading;
      if (id !== undefined) await this.commands.command((client) => client.client("UNBLOCK", id));
    } catch {
      // Then it comes back by itself, in a second at most.
    }
  }

  private message(id: string, deliveries: number, fields: Fields): PulledMessage {
    const at = fields.indexOf(field);
    return {
      raw: at < 0 || at % 2 === 1 ? fields.join(" ") : (fields[at + 1] as string),
      deliveries,
      settle: (how, signal) => this.settle(id, how, signal),
    };
  }

  private async settle(id: string, how: Settlement, signal: AbortSignal): Promise<void> {
    const { stream, group, redeliverAfter } = this.options;
    switch (how) {
      case "ack":
        await this.commands.command((client) => client.eval(acknowledgeScript, 1, stream, group, id), signal);
        return;
      case "nak":
        await this.commands.command(
          (client) => client.xclaim(stream, group, nobody, 0, id, "IDLE", redeliverAfter, "JUSTID"),
          signal,
        );
        this.nextLook = 0;
        await this.wakeRead();
        return;
      case "working":
        await this.commands.command(
          (client) => client.xclaim(stream, group, this.consumer, 0, id, "JUSTID"),
          signal,
        );
    }
  }
}

function isGroupGone(error: unknown): boolean {
  return error instanceof BrokerError && /NOGROUP|no such key/i.test(error.message);
}
