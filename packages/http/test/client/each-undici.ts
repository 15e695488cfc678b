/** A test of what only undici can do. */
import type { Body } from "@anyloop/core";
import { each } from "../../../../tools/test-support/each-real.ts";

/** On Bun, which has no undici, the client is on `fetch`: without a pool, proxy or TLS options of ours. */
export function eachOnUndici(name: string, body: Body<unknown>, milliseconds?: number): void {
  each(name, body, { bun: "Bun has no undici" }, milliseconds);
}
