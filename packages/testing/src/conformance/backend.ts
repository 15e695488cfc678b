/**
 * What every backend keeps to: the loop's own contract, and what a run needs of it. Semantics are core's, so a backend that
 * keeps these rules gives the same groups, scopes, locks and streams as ours.
 */
import type { Backend } from "@anyloop/core/lowlevel";
import { loopRules } from "./backend-loop.ts";
import { runRules } from "./backend-run.ts";
import { caseOf, checkMaker, type ConformanceCase } from "./suite.ts";

export interface BackendConformanceOptions {
  /** What stands behind the names of the cases; the name of the backend if not given. */
  readonly label?: string | undefined;
  /** Ready tasks take their steps in the order in which they became ready; true if not given. A seed shuffles them. */
  readonly keepsOrder?: boolean | undefined;
}

/** The rules of backends, as test cases. Make a fresh backend at each call. */
export function backendConformance(
  makeBackend: () => Backend,
  { label, keepsOrder = true }: BackendConformanceOptions = {},
): ConformanceCase[] {
  checkMaker(makeBackend, "backendConformance");
  const name = label ?? makeBackend().name;
  return [...loopRules(keepsOrder), ...runRules].map(({ rule, perform, isAsync }) =>
    caseOf(rule, name, () => perform(makeBackend()), isAsync),
  );
}
