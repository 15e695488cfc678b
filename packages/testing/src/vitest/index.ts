/** Tests of vitest that run inside a run, on every backend. */
export type { Fixture, Fixtures, Use, Used } from "./fixtures.ts";
export { LeftoverError } from "./leftovers.ts";
export {
  type BaseFixtures,
  type Register,
  test,
  test as it,
  type Test,
  type TestBody,
  type TestOptions,
} from "./test.ts";
export { TestTimeoutError } from "./watched-run.ts";
