/**
 * What a conformance suite is: named rules, as test cases for any runner.
 *
 * Invariant: a case that fails throws a ConformanceError whose message begins with the rule that is broken.
 */
import { errorsOf, UsageError } from "@anyloop/core";
import { performOn, type TestCase } from "../every-backend.ts";
import { columnsOf, type MatrixOptions } from "../matrix.ts";

/** A rule of a contract is broken. `cause` is what went wrong. */
export class ConformanceError extends Error {
  override readonly name = "ConformanceError";
  /** The rule, as in the name of the test case. */
  readonly rule: string;

  constructor(rule: string, cause: unknown) {
    const reasons = errorsOf(cause).map((error) => (error instanceof Error ? error.message : String(error)));
    super(`Broken: ${rule}.\n${reasons.join("\n")}`, { cause });
    this.rule = rule;
  }
}

/** A test case of a suite. */
export interface ConformanceCase extends TestCase {
  /** Why it cannot run here, if it cannot. */
  readonly skipped?: string | undefined;
}

/** A rule, and a body that throws if it is broken. */
export interface Rule {
  readonly rule: string;
  readonly body: () => unknown;
  /** Its body is in async style, which needs a host that can tell async bodies apart. */
  readonly isAsync?: boolean | undefined;
  /** Takes long: tried with two seeds at the most. */
  readonly isLong?: boolean | undefined;
}

const { process, AsyncContext } = globalThis as {
  process?: { getBuiltinModule?: unknown };
  AsyncContext?: unknown;
};
const hasAsyncBodies = AsyncContext !== undefined || process?.getBuiltinModule !== undefined;
const noAsyncBodies = "needs AsyncLocalStorage";

/** Milliseconds of real time after which a case that has not ended is one that hangs. */
const patience = 4000;

// Those of the host, should a test replace them.
const { setTimeout, clearTimeout } = globalThis;

/** A suite wants a fresh subject for each case. @throws UsageError for one that was made already. */
export function checkMaker(make: unknown, suite: string): void {
  if (typeof make === "function") return;
  throw new UsageError(`${suite}() takes a function that makes what is to be tried, another at each call.`);
}

/** A case for each rule and backend. */
export function casesOf(rules: readonly Rule[], options: MatrixOptions): ConformanceCase[] {
  return rules.flatMap(({ rule, body, isAsync, isLong }) => {
    const seeds = isLong === true ? Math.min(2, options.seeds ?? 2) : options.seeds;
    return columnsOf({ ...options, seeds }).map((column) =>
      caseOf(rule, column.label, (signal) => performOn(column, body, signal), isAsync),
    );
  });
}

/** A case of one rule. `perform` is to end soon after its signal was aborted. */
export function caseOf(
  rule: string,
  label: string,
  perform: (signal: AbortSignal) => Promise<void>,
  isAsync = false,
): ConformanceCase {
  return {
    name: `${rule} [${label}]`,
    skipped: isAsync && !hasAsyncBodies ? noAsyncBodies : undefined,
    async perform() {
      try {
        await inTime(perform);
      } catch (error) {
        throw new ConformanceError(rule, error);
      }
    },
  };
}

/** Something that hangs is to be told by the rule that it breaks, not by the test runner. */
async function inTime(perform: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`It had not ended after ${String(patience)} ms.`);
      reject(error);
      stop.abort(error);
    }, patience);
  });
  try {
    await Promise.race([perform(stop.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** How a test runner takes a test: vitest's, Jest's, Bun's, Deno's or Node's `test`. */
export interface TestFunction {
  (name: string, perform: () => Promise<void>): unknown;
  readonly skip?: (name: string, perform: () => Promise<void>) => unknown;
}

/**
 * Registers the cases of a suite with a test runner.
 *
 * ```ts
 * import { Lock } from "anyloop";
 * import { lockConformance, registerCases } from "@anyloop/testing";
 * import { test } from "vitest";
 *
 * registerCases(test, lockConformance(() => new Lock()));
 * ```
 */
export function registerCases(test: TestFunction, cases: Iterable<ConformanceCase>): void {
  for (const { name, perform, skipped } of cases) {
    if (skipped === undefined) test(name, perform);
    else test.skip?.(`${name} [${skipped}]`, perform);
  }
}
