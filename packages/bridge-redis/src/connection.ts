/**
 * One connection to a Redis server, that comes back after it was cut.
 *
 * Invariant: a command is written only while the server is there, and is written again if the connection was cut before
 * the answer came; so it happens at least once. ioredis resends nothing on its own and keeps no queue: what waits, waits
 * here, where it can be cancelled. Every error event has a listener.
 */
import { setImmediate as turn } from "node:timers/promises";
import { BrokenResourceError, ClosedResourceError } from "@anyloop/core";
import { BrokerError } from "@anyloop/bridge-broker";
import { Change } from "@anyloop/bridge-broker/lowlevel";
import { Redis } from "ioredis";

/** Milliseconds between attempts to reach a server that has gone, at most. */
const longestPause = 500;
/** Milliseconds after which a server that answers nothing counts as gone; longer than any command may block. */
const longestSilence = 10_000;

/**
 * In which a client that was disconnected stays as it is. Between two attempts ("reconnecting") there is no connection,
 * there will be none, and no event says so.
 */
const over: ReadonlySet<string> = new Set(["end", "wait", "reconnecting"]);

export interface ConnectionOptions {
  readonly url: string;
  /** Milliseconds after which a server that has gone is given up. */
  readonly reconnectFor: number;
}

export class RedisConnection {
  private readonly client: Redis;
  private readonly url: string;
  private readonly reconnectFor: number;
  private readonly change = new Change();
  private lastError: unknown = undefined;
  /** Since when it has been gone; undefined while it never was there. */
  private goneSince: number | undefined = undefined;
  private isClosed = false;

  constructor({ url, reconnectFor }: ConnectionOptions) {
    this.url = url;
    this.reconnectFor = reconnectFor;
    const client = new Redis(url, {
      lazyConnect: true,
      protocol: 2,
      disableClientInfo: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      socketTimeout: longestSilence,
      retryStrategy: (attempts) => this.pauseBefore(attempts),
    });
    client.on("error", (error: unknown) => (this.lastError = error));
    client.on("ready", () => {
      this.goneSince = Infinity;
      this.change.happened();
    });
    client.on("close", () => this.change.happened());
    client.on("end", () => this.change.happened());
    this.client = client;
  }

  /** Whether the server answers, as far as is known. */
  get isThere(): boolean {
    return this.client.status === "ready";
  }

  /** Connects. Rejects with BrokerError. */
  async open(signal: AbortSignal): Promise<void> {
    const giveUp = (): void => this.client.disconnect();
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await this.client.connect();
      // Given up in the moment in which it succeeded.
      signal.throwIfAborted();
    } catch (error) {
      await this.close();
      signal.throwIfAborted();
      throw this.gone(this.lastError ?? error);
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Rejects with BrokenResourceError once the server is given up, ClosedResourceError, BrokerError if it refuses. */
  async command<R>(send: (client: Redis) => Promise<R>, signal?: AbortSignal): Promise<R> {
    for (;;) {
      await this.ready(signal);
      try {
        return await send(this.client);
      } catch (error) {
        if (error instanceof Error && error.name === "ReplyError") {
          throw new BrokerError(`Redis at ${hide(this.url)} refused a command: ${error.message}.`, {
            cause: error,
          });
        }
      }
      // The connection was cut, or is about to be told so.
      await turn();
    }
  }

  /** Lets go of the connection. Never rejects. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.client.disconnect();
    this.change.happened();
    while (!over.has(this.client.status)) await this.change.changeOrAbort(undefined);
  }

  private async ready(signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.isClosed) throw new ClosedResourceError();
      if (this.isThere) return;
      if (this.client.status === "end") throw this.broken();
      await this.change.changeOrAbort(signal);
    }
  }

  /** undefined: it is given up. */
  private pauseBefore(attempts: number): number | undefined {
    if (this.goneSince === undefined) return undefined;
    const time = performance.now();
    this.goneSince = Math.min(this.goneSince, time);
    return time - this.goneSince < this.reconnectFor ? Math.min(attempts * 25, longestPause) : undefined;
  }

  private gone(cause: unknown): BrokerError {
    const why = cause instanceof Error ? cause.message : String(cause);
    return new BrokerError(
      `Redis at ${hide(this.url)} cannot be used: ${why}. Start it (redis-server), or correct the URL.`,
      { cause },
    );
  }

  private broken(): BrokenResourceError {
    return new BrokenResourceError(
      `Redis at ${hide(this.url)} did not come back within ${String(this.reconnectFor)} ms. Open another end once it has.`,
      { cause: this.gone(this.lastError) },
    );
  }
}

/** The URL without its password. */
function hide(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//…@");
}
