/**
 * What every bridge keeps to that carries items, or work, between us and a foreign world: each item once whoever is
 * cancelled, order, backpressure, ends and errors both ways with their cause, the real end of foreign work, and nothing
 * left behind on the foreign side.
 *
 * Invariant: the suite drives the foreign side as its own code does, from plain callbacks and promises.
 */
import type { MatrixOptions } from "../matrix.ts";
import type { Bridges } from "./bridges.ts";
import { afterTheRun, inwardRules } from "./bridge-inward.ts";
import { outwardRules } from "./bridge-outward.ts";
import { pushedRules, silentAfterTheRun } from "./bridge-pushed.ts";
import { workRules } from "./bridge-work.ts";
import { casesOf, type ConformanceCase } from "./suite.ts";

/** The rules of bridges, as test cases: of every kind for which there is a maker. */
export function bridgeConformance(
  { inward, pushed, outward, work }: Bridges,
  options: MatrixOptions = {},
): ConformanceCase[] {
  return [
    ...(inward === undefined
      ? []
      : [...casesOf(inwardRules(inward), options), ...afterTheRun(inward, options)]),
    ...(pushed === undefined
      ? []
      : [...casesOf(pushedRules(pushed), options), ...silentAfterTheRun(pushed, options)]),
    ...(outward === undefined ? [] : casesOf(outwardRules(outward), options)),
    ...(work === undefined ? [] : casesOf(workRules(work), options)),
  ];
}
