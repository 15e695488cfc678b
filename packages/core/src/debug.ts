/**
 * Debug mode: what costs too much to note always. Traces get the places where operations were called, and `inspect` says
 * since when a task waits.
 *
 * Invariant: while it is off, a task pays one load for it.
 */
import type { Strand } from "./strand.ts";

export const debug = { on: false };

const parkedAt = new WeakMap<Strand, number>();

/** Turns debug mode on or off, for all runs of this copy of core. */
export function setDebug(on: boolean): void {
  debug.on = on;
}

/** Notes that a strand begins to wait. */
export function noteParked(strand: Strand): void {
  parkedAt.set(strand, strand.run.loop.now());
}

/** When the strand began to wait, on the loop's clock in milliseconds; undefined if debug mode was off then. */
export function waitingSince(strand: Strand): number | undefined {
  return strand.waiting === undefined ? undefined : parkedAt.get(strand);
}
