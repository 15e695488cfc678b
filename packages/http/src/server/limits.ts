/** How much, and how slowly, a client may send or take: what keeps one of them from using up what all of them need. */
import { UsageError } from "@anyloop/core";

/** Milliseconds and bytes. Each has a default that serves browsers and ordinary clients. */
export interface Limits {
  /** Bytes of a request's first line and header fields together; 16 384. Past it: 431. */
  readonly headerSize: number;
  /** Header fields of a request; 100. Past it: 431. */
  readonly headerCount: number;
  /** Milliseconds for the head of a request to come, from the first byte or the connection on; 20 000. Past it: 408. */
  readonly headerTime: number;
  /** Milliseconds for a whole request to come, its body included; 300 000. Past it: 408. */
  readonly requestTime: number;
  /** Bytes of a request's body; 1 MiB. Past it: 413. A route may have its own. */
  readonly bodySize: number;
  /** Milliseconds for a client to take something of what waits to be sent; 60 000. Past it the connection is broken off. */
  readonly writeTime: number;
  /** Milliseconds that a connection may stay open between two requests; 65 000. */
  readonly idleTime: number;
  /** Connections open at once; more are closed as they come. Unlimited if not given. */
  readonly connections: number;
}

const defaultLimits: Limits = {
  headerSize: 16_384,
  headerCount: 100,
  headerTime: 20_000,
  requestTime: 300_000,
  bodySize: 1_048_576,
  writeTime: 60_000,
  idleTime: 65_000,
  connections: Infinity,
};

/** @throws UsageError for a limit that is not a positive number. */
export function limitsOf(given: Partial<Limits> = {}): Limits {
  const limits = { ...defaultLimits, ...given };
  for (const [name, value] of Object.entries(limits)) {
    if (!(typeof value === "number" && value > 0)) {
      throw new UsageError(`The limit ${name} is ${String(value)}. Give a number above 0, or Infinity.`);
    }
  }
  return limits;
}
