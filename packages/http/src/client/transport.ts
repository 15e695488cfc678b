/**
 * The seam between the session and what carries bytes. A transport is told to begin an exchange, reports to it what
 * happens, and obeys its `Control`; what a redirect, a cookie or a time limit is, it does not know.
 */
import type { Exchange } from "./exchange.ts";

/** What an exchange can ask of the transport that carries it. */
export interface Control {
  /** Ends the exchange at once and closes its connection; nothing is reported afterwards. */
  abort(): void;
  /** Goes on delivering, after `Exchange.data` gave false. Never called in a stack of the transport. */
  resume(): void;
}

/** Counters of a session, now. */
export interface ClientStatistics {
  /** Connections that are open or being opened. */
  readonly connections: number;
  /** Open connections that nobody uses. */
  readonly idle: number;
  /** Requests under way on a connection. */
  readonly active: number;
  /** Requests that wait for a connection. */
  readonly waiting: number;
  /** Connections that are being closed. */
  readonly closing: number;
}

export interface Transport {
  /** Begins the exchange: calls its `queued`, `assigned`, …, and at the end `ended` or `failed`, never after an abort. */
  begin(exchange: Exchange): Control;
  statistics(): ClientStatistics;
  /** Aborts nothing: closes what is idle, refuses what is new. Calls back once no connection is left. */
  close(closed: () => void): void;
}

/** A body as a transport takes it. `stream` is read once. */
export type WireBody = string | Uint8Array<ArrayBuffer> | Blob | AsyncIterable<Uint8Array> | undefined;
