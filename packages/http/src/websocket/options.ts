/** The options that both sides of a websocket have, and their checks. */
import { UsageError } from "@anyloop/core";
import type { FramedOptions } from "./framed-carrier.ts";

/** What a header may be given as: several lines of one name as a list. */
export type WebSocketHeaders = Readonly<Record<string, string | readonly string[]>>;

export interface WebSocketOptions extends FramedOptions {
  /** Whether to compress messages of 1 kB and more, if the other side wants to: permessage-deflate. False if not given. */
  readonly compression?: boolean | undefined;
  /** Milliseconds that `close` waits for the peer to close as well; 10 000 if not given. */
  readonly closeTimeout?: number | undefined;
  /** Headers of our part of the handshake. */
  readonly headers?: WebSocketHeaders | undefined;
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** @throws UsageError. */
export function checkOptions(options: WebSocketOptions, protocols: readonly string[]): void {
  checkDuration("pingInterval", options.pingInterval);
  checkDuration("pongTimeout", options.pongTimeout);
  checkDuration("closeTimeout", options.closeTimeout);
  const { maxMessageBytes = 1 } = options;
  if (
    maxMessageBytes !== Infinity &&
    !(Number.isInteger(maxMessageBytes) && maxMessageBytes >= 1 && maxMessageBytes < 2 ** 31)
  ) {
    throw new UsageError(
      `maxMessageBytes is ${String(maxMessageBytes)}. Give a whole number from 1 to 2 147 483 647, or Infinity.`,
    );
  }
  for (const protocol of protocols) {
    if (!token.test(protocol)) throw new UsageError(`"${protocol}" is no name of a subprotocol.`);
  }
  if (new Set(protocols).size !== protocols.length) throw new UsageError("A subprotocol is named twice.");
}

function checkDuration(name: string, milliseconds = 1): void {
  if (milliseconds > 0) return;
  throw new UsageError(`${name} is ${String(milliseconds)}. Give milliseconds, more than 0.`);
}
