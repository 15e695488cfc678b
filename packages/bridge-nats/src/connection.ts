/**
 * One connection to NATS, that comes back after it was cut.
 *
 * Invariant: a request is made only while the server is there, and is made again if no answer came; so it happens at
 * least once. What waits for the server waits here, where it can be cancelled.
 */
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import { BrokerError } from "@anyloop/bridge-broker";
import { Change } from "@anyloop/bridge-broker/lowlevel";
import { BrokenResourceError, ClosedResourceError } from "@anyloop/core";
import { JetStreamApiError } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";

/** Milliseconds between two attempts to reach a server that has gone, and between two requests that got no answer. */
const pause = 100;
/** Turns of the host in which the client library lets go of a socket. */
const turnsToClose = 5;
/** Milliseconds that a server may take to answer. */
export const answerTimeout = 5_000;

export interface ConnectionOptions {
  readonly servers: string | readonly string[];
  /** Milliseconds after which a server that has gone is given up. */
  readonly reconnectFor: number;
}

export class Connection {
  private readonly options: ConnectionOptions;
  private readonly raw: NatsConnection;
  private readonly change = new Change();
  /** How to reject the requests that wait for an answer. */
  private readonly unanswered = new Set<(error: Error) => void>();
  private isThere = true;
  private hasAnswered = false;
  private isClosed = false;
  private lastError: unknown = undefined;

  private constructor(options: ConnectionOptions, raw: NatsConnection) {
    this.options = options;
    this.raw = raw;
    void this.watch();
    void raw.closed().then((error) => {
      if (error instanceof Error) this.lastError = error;
      this.change.happened();
    });
  }

  /** Connects. Rejects with BrokerError. */
  static async open(options: ConnectionOptions, signal: AbortSignal): Promise<Connection> {
    const { servers, reconnectFor } = options;
    const connecting = connect({
      servers: typeof servers === "string" ? servers : [...servers],
      timeout: answerTimeout,
      reconnectTimeWait: pause,
      reconnectJitter: 0,
      maxReconnectAttempts: Math.ceil(reconnectFor / pause),
    });
    try {
      return new Connection(options, await unlessAborted(connecting, signal));
    } catch (error) {
      if (!signal.aborted) throw gone(options, error);
      // The library cannot be told to stop, and may take seconds: what it still opens is closed.
      connecting.then((raw) => raw.close()).catch(() => {});
      throw signal.reason;
    }
  }

  /** Rejects with BrokenResourceError once the server is given up, ClosedResourceError, BrokerError if it refuses. */
  async command<R>(send: (connection: NatsConnection) => Promise<R>, signal?: AbortSignal): Promise<R> {
    const giveUpAt = performance.now() + this.options.reconnectFor;
    for (;;) {
      await this.ready(signal);
      try {
        const answer = await this.answerOf(send);
        this.hasAnswered = true;
        return answer;
      } catch (error) {
        if (isRefusal(error, this.hasAnswered)) throw refused(this.options, error);
        // No answer: it has gone, or is there again and JetStream is not yet.
        this.lastError = error;
        if (performance.now() > giveUpAt) throw this.broken();
      }
      await delay(pause);
    }
  }

  /** Lets go of the connection. Never rejects. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.change.happened();
    await this.raw.close();
    // The library says so a few turns before it lets go of the socket.
    for (let rest = turnsToClose; rest > 0; rest--) await turn();
  }

  /** A request that was on its way when the connection was cut gets no answer: why wait until its time is over? */
  private answerOf<R>(send: (connection: NatsConnection) => Promise<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      this.unanswered.add(reject);
      void send(this.raw)
        .then(resolve, reject)
        .finally(() => this.unanswered.delete(reject));
    });
  }

  private onDisconnect(): void {
    this.isThere = false;
    const error = new Error("The connection was cut before the answer came.");
    for (const reject of this.unanswered) reject(error);
  }

  private async watch(): Promise<void> {
    for await (const { type } of this.raw.status()) {
      if (type === "disconnect") this.onDisconnect();
      if (type === "reconnect") this.isThere = true;
      this.change.happened();
    }
  }

  private async ready(signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.isClosed) throw new ClosedResourceError();
      if (this.raw.isClosed()) throw this.broken();
      if (this.isThere) return;
      await this.change.changeOrAbort(signal);
    }
  }

  private broken(): BrokenResourceError {
    return new BrokenResourceError(
      `NATS at ${at(this.options)} did not come back within ${String(this.options.reconnectFor)} ms. Open another end once it has.`,
      { cause: gone(this.options, this.lastError) },
    );
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
  });
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function gone(options: ConnectionOptions, cause: unknown): BrokerError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new BrokerError(
    `NATS at ${at(options)} cannot be used: ${why}. Start it (nats-server --jetstream), or correct the address.`,
    { cause },
  );
}

function refused(options: ConnectionOptions, cause: Error): BrokerError {
  const advice = isNotEnabled(cause) ? " Start it with --jetstream." : "";
  return new BrokerError(`NATS at ${at(options)} refused a request: ${cause.message}.${advice}`, { cause });
}

/** What asking again will not change. A server that has just come back says for a while that there is no JetStream. */
function isRefusal(error: unknown, hasAnswered: boolean): error is Error {
  if (error instanceof JetStreamApiError) return error.status !== 503;
  return !hasAnswered && isNotEnabled(error);
}

/** By its name: the library does not export the class. */
function isNotEnabled(error: unknown): error is Error {
  return error instanceof Error && error.name === "JetStreamNotEnabled";
}

/** The addresses without their passwords. */
function at({ servers }: ConnectionOptions): string {
  return [servers]
    .flat()
    .join(", ")
    .replaceAll(/\/\/[^@/]*@/g, "//…@");
}
