/** What all streams of bytes ask of their arguments. */
import { UsageError } from "@anyloop/core";

/** Most bytes that one `receive()` gives. */
export const defaultMaxBytes = 65_536;

export function checkMaxBytes(maxBytes: number): void {
  if (Number.isInteger(maxBytes) && maxBytes >= 1) return;
  throw new UsageError(`maxBytes is ${String(maxBytes)}. Give a whole number, 1 or more.`);
}

/** Hosts differ in what they make of a text: some encode it, some send as many zeros. */
export function checkBytes(data: Uint8Array): void {
  if (typeof data !== "string") return;
  throw new UsageError("Streams of bytes send no text. Encode it: new TextEncoder().encode(text).");
}
