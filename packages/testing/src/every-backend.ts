/** One test, every backend of the matrix. */
import { run, type Work } from "@anyloop/core";
import { columnsOf, type Column, type MatrixOptions, whereabouts } from "./matrix.ts";

export interface EveryBackendOptions extends MatrixOptions {
  /** Only backends whose clock is virtual: for tests that measure time. */
  readonly virtualOnly?: boolean | undefined;
}

/** A test for a test runner: a name, and what to do. */
export interface TestCase {
  readonly name: string;
  readonly perform: () => Promise<void>;
}

/**
 * The same body as a test for each backend; a failure of a seed says how to repeat it.
 *
 * ```ts
 * import { sleep } from "anyloop";
 * import { everyBackend } from "@anyloop/testing";
 *
 * const cases = everyBackend("a nap", sleep(1));
 * for (const { perform } of cases) await perform();
 * console.log(cases.length, cases[0]?.name); // 4 a nap [native]
 * ```
 */
export function everyBackend(
  name: string,
  work: Work<unknown>,
  { virtualOnly, ...options }: EveryBackendOptions = {},
): TestCase[] {
  const columns = columnsOf(virtualOnly === true ? { ...options, backends: ["virtual", "seeds"] } : options);
  return columns.map((column) => ({
    name: `${name} [${column.label}]`,
    perform: () => performOn(column, work),
  }));
}

/** @internal Performs the work once for each attempt. */
export async function performOn(column: Column, work: Work<unknown>, signal?: AbortSignal): Promise<void> {
  for (const attempt of column.attempts) {
    try {
      await run(work, { backend: attempt.makeBackend(), signal });
    } catch (error) {
      // The name of the test says the rest.
      if (attempt.seed === undefined) throw error;
      throw new Error(`${whereabouts(column, attempt)}${String(error)}`, { cause: error });
    }
  }
}
