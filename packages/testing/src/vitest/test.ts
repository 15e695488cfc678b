/**
 * vitest's `test`, inside a run: bodies of either style, on every backend, with fixtures around them.
 *
 * Invariant: a `Test` never changes: `skip`, `with`, `extend` and the others give another one.
 */
import type { Backend, Coroutine, Operation } from "@anyloop/core";
import { test as vitestTest, type TestContext, type TestOptions as VitestOptions } from "vitest";
import { type Column, columnsOf, type MatrixOptions, whereabouts } from "../matrix.ts";
import { type FixtureEntry, type Fixtures, withFixtures } from "./fixtures.ts";
import { watchedRun } from "./watched-run.ts";

/**
 * What a test may say: where it runs (`backends`, `seeds`, `seed`), what it may leave behind, and all that vitest takes
 * (`timeout` in ms, `retry`, `tags`, …) but `concurrent`.
 */
export interface TestOptions extends MatrixOptions, Omit<VitestOptions, "concurrent"> {
  /** `"ignore"`: what the test leaves behind does not fail it. */
  readonly leftovers?: "fail" | "ignore" | undefined;
}

/** What every test is given, beside the fixtures it was extended with. */
export interface BaseFixtures {
  /** vitest's: `skip`, `annotate`, `onTestFinished`, … */
  readonly context: TestContext;
  /** The one the test runs on. */
  readonly backend: Backend;
  readonly seed: number | undefined;
}

/** The body of a test: a function of either style, or an operation. */
export type TestBody<A extends readonly unknown[]> =
  | Operation<unknown>
  | ((...args: A) => Coroutine<unknown> | PromiseLike<unknown> | void);

/** Registers tests whose bodies take these arguments. */
export interface Register<A extends readonly unknown[]> {
  (name: string, body: TestBody<A>): void;
  (name: string, options: TestOptions, body: TestBody<A>): void;
}

/** `test`, with fixtures. */
export interface Test<F extends BaseFixtures> extends Register<[fixtures: F]> {
  readonly skip: Test<F>;
  readonly only: Test<F>;
  /** Tests that are expected to fail. */
  readonly fails: Test<F>;
  todo(name: string): void;
  skipIf(condition: boolean): Test<F>;
  runIf(condition: boolean): Test<F>;
  /** The same with these options, for tests that do not say otherwise. */
  with(options: TestOptions): Test<F>;
  /**
   * The same with further fixtures, which are given those that were there before. All are set up for each test, in this
   * order, around its body.
   */
  extend<V extends object>(fixtures: Fixtures<V, F>): Test<F & { readonly [K in keyof V]: V[K] }>;
  /** A test for each row; the items of a row that is an array are arguments of their own. Names as in vitest. */
  each<Row extends unknown[] | [unknown]>(rows: readonly Row[]): Register<[...row: Row, fixtures: F]>;
  each<Row>(rows: readonly Row[]): Register<[row: Row, fixtures: F]>;
  /** A test for each row, which is the first argument. Names as in vitest. */
  for<Row>(rows: readonly Row[]): Register<[row: Row, fixtures: F]>;
}

type AnyBody = TestBody<never[]>;
/** How vitest is told: with the arguments that come before the fixtures. */
type Tell = (
  name: string,
  options: VitestOptions,
  perform: (row: readonly unknown[], context: TestContext) => Promise<void>,
) => void;

const tellOne: Tell = (name, options, perform) => {
  vitestTest(name, options, async (context) => {
    await perform([], context);
  });
};

/** vitest formats the names; whether a row is spread into arguments is ours to say. */
function tellRows(rows: readonly unknown[], argumentsOf: (row: unknown) => readonly unknown[]): Tell {
  return (name, options, perform) => {
    vitestTest.for(rows)(name, options, async (row, context) => {
      await perform(argumentsOf(row), context);
    });
  };
}

function makeTest<F extends BaseFixtures>(fixtures: readonly FixtureEntry[], defaults: TestOptions): Test<F> {
  const also = (options: TestOptions): Test<F> => makeTest(fixtures, { ...defaults, ...options });
  const register = (tell: Tell) => {
    return (name: string, ...rest: [body: AnyBody] | [options: TestOptions, body: AnyBody]): void => {
      const [options, body] = rest.length === 2 ? rest : [{}, rest[0]];
      const { backends, seeds, seed, leftovers = "fail", ...others } = { ...defaults, ...options };
      for (const column of columnsOf({ backends, seeds, seed })) {
        tell(`${name} [${column.label}]`, others, (row, context) =>
          performIn(column, { context, fixtures, leftovers, body: (values) => bodyOf(body, row, values) }),
        );
      }
    };
  };
  return Object.defineProperties(register(tellOne), {
    skip: { get: () => also({ skip: true }) },
    only: { get: () => also({ only: true }) },
    fails: { get: () => also({ fails: true }) },
    todo: { value: (name: string) => vitestTest.todo(name) },
    skipIf: { value: (condition: boolean) => also({ skip: condition }) },
    runIf: { value: (condition: boolean) => also({ skip: !condition }) },
    with: { value: also },
    extend: {
      value: (more: Record<string, FixtureEntry[1]>) =>
        makeTest([...fixtures, ...Object.entries(more)], defaults),
    },
    each: {
      value: (rows: readonly unknown[]) =>
        register(tellRows(rows, (row) => (Array.isArray(row) ? row : [row]))),
    },
    for: { value: (rows: readonly unknown[]) => register(tellRows(rows, (row) => [row])) },
  }) as Test<F>;
}

function bodyOf(body: AnyBody, row: readonly unknown[], values: unknown): unknown {
  return typeof body === "function" ? body(...([...row, values] as never[])) : body;
}

interface Scene {
  readonly context: TestContext;
  readonly fixtures: readonly FixtureEntry[];
  readonly leftovers: "fail" | "ignore";
  readonly body: (values: never) => unknown;
}

async function performIn(column: Column, { context, fixtures, leftovers, body }: Scene): Promise<void> {
  const { signal, task } = context;
  const began = performance.now();
  for (const attempt of column.attempts) {
    try {
      await watchedRun(
        (backend) => withFixtures(fixtures, { context, backend, seed: attempt.seed }, body),
        attempt,
        { timeout: task.timeout, began, signal, leftovers },
      );
    } catch (error) {
      throw placed(error, whereabouts(column, attempt));
    }
  }
}

const placedErrors = new WeakSet<object>();

/** The same error, so that vitest shows what was expected of it, with the place in front of its message. */
function placed(error: unknown, place: string): unknown {
  if (!(error instanceof Error) || Object.isFrozen(error))
    return new Error(`${place}${String(error)}`, { cause: error });
  // One object may be thrown by several tests.
  if (!placedErrors.has(error)) putBefore(error, place);
  placedErrors.add(error);
  // vitest shows the errors of such a one, and not itself.
  if (error instanceof AggregateError) for (const each of error.errors) placed(each, place);
  return error;
}

/** Reporters show the message, or the stack, which begins with the message as it was. */
function putBefore(error: Error, place: string): void {
  const { message, stack } = error;
  error.message = `${place}${message}`;
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message);
}

/**
 * vitest's `test` inside a run, on each backend: native, kernel, virtual time and seeds.
 *
 * ```ts
 * import { memoryStream } from "anyloop";
 * import { test } from "@anyloop/testing/vitest";
 * import { expect } from "vitest";
 *
 * test("what is sent is received", function* () {
 *   const [send, receive] = memoryStream<number>(1);
 *   yield* send.send(1);
 *   expect(yield* receive.receive()).toBe(1);
 * });
 * ```
 *
 * A test fails if it does not end in time, and if it leaves tasks, timers or unhandled errors behind; the message names
 * them. While it runs, work awaited outside any run, and `run` without a backend, use the kind of backend under test.
 */
export const test: Test<BaseFixtures> = makeTest([], {});
