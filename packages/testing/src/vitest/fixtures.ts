/**
 * Fixtures: operations that are under way while a test's body runs, each around the next and all around the body.
 *
 * Invariant: fixtures and body are one task, so the scopes, task groups and task-locals of a fixture hold in the body;
 * how the body ended is what the test says, whatever the fixtures around it catch.
 */
import {
  CancelScope,
  type Coroutine,
  errorsOf,
  isCancelled,
  type Operation,
  perform,
  UsageError,
} from "@anyloop/core";

declare const usedValue: unique symbol;

/** What `use` gives back once the body is over: a fixture returns it, which shows that it has not forgotten to use. */
export interface Used<out V> {
  readonly [usedValue]: V;
}

/** Performs the rest of the test (the fixtures that come after, and the body) with a value. To be performed once. */
export type Use = <V>(value: V) => Operation<Used<V>>;

/** A fixture, in either style: sets up, performs `use(value)`, cleans up, and returns what `use` gave. */
export type Fixture<V, F> = (fixtures: F, use: Use) => Coroutine<Used<V>> | PromiseLike<Used<V>>;

/** Fixtures by name, in the order in which they are set up. */
export type Fixtures<V, F> = { readonly [K in keyof V]: Fixture<V[K], F> };

export type FixtureEntry = readonly [name: string, fixture: Fixture<unknown, never>];

type Values = Readonly<Record<string, unknown>>;

/** Performs the body inside the fixtures. @throws what the body throws, what a fixture throws, or both. */
export function* withFixtures(
  fixtures: readonly FixtureEntry[],
  values: Values,
  body: (values: never) => unknown,
): Coroutine<void> {
  const scene = new Scene(fixtures, body);
  let error: unknown;
  let failed = false;
  try {
    yield* scene.perform(0, values);
  } catch (thrown) {
    failed = true;
    error = thrown;
  }
  scene.check(failed, error);
}

class Scene {
  private readonly fixtures: readonly FixtureEntry[];
  private readonly body: (values: never) => unknown;
  private bodyEnd: { readonly failed: boolean; readonly error: unknown } | undefined = undefined;

  constructor(fixtures: readonly FixtureEntry[], body: (values: never) => unknown) {
    this.fixtures = fixtures;
    this.body = body;
  }

  /** From one of the fixtures on. */
  perform(index: number, values: Values): Operation<unknown> {
    const entry = this.fixtures[index];
    return entry === undefined
      ? perform(this, this.performBody, values)
      : perform(this, this.performFixture, entry, index, values);
  }

  /** Throws what is to be told about a test whose body, or a fixture around it, failed. */
  check(failed: boolean, error: unknown): void {
    const { bodyEnd } = this;
    if (bodyEnd?.failed === true) throw failed ? both(bodyEnd.error, error) : alone(bodyEnd.error);
    if (failed) throw error;
    if (bodyEnd === undefined) throw new UsageError("A fixture cancelled the test before its body began.");
  }

  private *performBody(values: Values): Coroutine<void> {
    try {
      yield* inEitherStyle(() => this.body(values as never));
      this.bodyEnd = { failed: false, error: undefined };
    } catch (error) {
      this.bodyEnd = { failed: true, error };
      throw error;
    }
  }

  private *performFixture([name, fixture]: FixtureEntry, index: number, values: Values): Coroutine<void> {
    let uses = 0;
    const scene = this;
    const rest = function* (value: unknown): Coroutine<void> {
      if (++uses > 1) throw new UsageError(`The fixture ${name} used its value twice. A test has one body.`);
      yield* scene.perform(index + 1, { ...values, [name]: value });
    };
    const use = (value: unknown): Operation<unknown> => perform(undefined, rest, value);
    yield* inEitherStyle(() => fixture(values as never, use as Use));
    if (uses === 0) throw new UsageError(`The fixture ${name} ended without \`return yield* use(value)\`.`);
  }
}

/** The body failed and the fixtures did not. */
function alone(error: unknown): unknown {
  return isCancelled(error)
    ? new UsageError("A scope of a fixture cancelled the body of the test before it had ended.")
    : error;
}

/** The body failed, and what the fixtures threw is its error, holds it, or comes on top of it. */
function both(bodyError: unknown, error: unknown): unknown {
  if (isCancelled(bodyError) || errorsOf(error).includes(bodyError)) return error;
  return new AggregateError([bodyError, error], "The body failed, and so did a fixture around it.", {
    cause: bodyError,
  });
}

/** A scope of its own is what performs a body of either style without a task of its own. */
function inEitherStyle(body: () => unknown): Operation<unknown> {
  return new CancelScope().run(body);
}
