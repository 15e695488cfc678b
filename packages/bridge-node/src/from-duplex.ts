/** A Node duplex stream as a stream of ours. */
import type { Duplex } from "node:stream";
import { type ObjectStream, stapled } from "@anyloop/core";
import { fromReadable } from "./from-readable.ts";
import { toWritable } from "./to-writable.ts";

/** Both directions of a Node duplex: `sendEof` ends the sending one, `close` both. */
export function fromDuplex<T>(duplex: Duplex): ObjectStream<T> {
  return stapled(toWritable<T>(duplex), fromReadable<T>(duplex));
}
