/** What travels over a websocket: text as a string, binary data as bytes. */
import { UsageError } from "@anyloop/core";

export type Message = string | Uint8Array;

export function checkMessage(message: unknown): asserts message is Message {
  if (typeof message === "string" || message instanceof Uint8Array) return;
  throw new UsageError(
    "A websocket sends strings and Uint8Arrays. Encode the rest, for example with JSON.stringify().",
  );
}
