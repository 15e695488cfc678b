/** What the rules of the suites are checked with: no test runner's, so that the suites run in any. */
import {
  BrokenResourceError,
  type AsyncCloseable,
  CancelScope,
  type Coroutine,
  type Operation,
  operation,
  type Task,
  type TaskGroup,
  type Work,
} from "@anyloop/core";
import { waitAllTasksBlocked } from "../wait-all-tasks-blocked.ts";

/** @throws Error with the message unless the condition holds. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** @throws Error unless both are alike; for what JSON can show. */
export function checkSame(actual: unknown, expected: unknown, what: string): void {
  const [is, shouldBe] = [show(actual), show(expected)];
  check(is === shouldBe, `${what}: expected ${shouldBe}, but it was ${is}.`);
}

function show(value: unknown): string {
  return (
    JSON.stringify(value, (_, item: unknown) => (item === undefined ? "undefined" : item)) ?? "undefined"
  );
}

type ErrorClass = abstract new (...args: never[]) => Error;

/** @throws Error unless the thrown thing is an instance of the class. */
export function checkError(error: unknown, expected: ErrorClass, what: string): void {
  check(error instanceof expected, `${what} is to throw ${expected.name}, but threw ${String(error)}.`);
}

/** Calls and fails unless that throws an instance of the class. */
export function checkThrowsNow(call: () => unknown, expected: ErrorClass, what: string): void {
  try {
    call();
  } catch (error) {
    checkError(error, expected, what);
    return;
  }
  throw new Error(`${what} is to throw ${expected.name}, but did not throw.`);
}

/** What the work throws; fails if it does not. */
export const thrownBy: (work: Operation<unknown>, what: string) => Operation<unknown> = operation(
  function* thrownBy(work: Operation<unknown>, what: string): Coroutine<unknown> {
    let value: unknown;
    try {
      value = yield* work;
    } catch (error) {
      return error;
    }
    throw new Error(`${what} is to throw, but gave ${show(value)}.`);
  },
);

/** Performs the work and fails unless it throws an instance of the class. */
export const checkThrows: (work: Operation<unknown>, expected: ErrorClass, what: string) => Operation<void> =
  operation(function* checkThrows(
    work: Operation<unknown>,
    expected: ErrorClass,
    what: string,
  ): Coroutine<void> {
    checkError(yield* thrownBy(work, what), expected, what);
  });

/** Starts a task and waits until everybody has come as far as they can. */
export function* startWaiting<T>(group: TaskGroup, work: Work<T>): Coroutine<Task<T>> {
  const task = group.startSoon(work);
  yield* waitAllTasksBlocked();
  return task;
}

/** Closes; that the other side is gone by then is no failure. */
export function* closeAnyway(end: AsyncCloseable): Coroutine<void> {
  try {
    yield* end.close();
  } catch (error) {
    if (!(error instanceof BrokenResourceError)) throw error;
  }
}

/** Closes in a cancelled scope; fails unless the cancellation is thrown, after the close has taken effect. */
export function* closeCancelled(end: AsyncCloseable): Coroutine<void> {
  const scope = new CancelScope();
  yield* scope.run(function* () {
    scope.cancel();
    yield* end.close();
  });
  check(scope.cancelledCaught, "The cancellation of the close was swallowed.");
}
