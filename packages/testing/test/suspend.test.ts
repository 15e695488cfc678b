/** `suspend`: what everything that blocks is built on. */
import { type Cancelled, CancelScope, isCancelled, run, taskGroup, UsageError } from "@anyloop/core";
import { checkpointIfCancelled, shieldedCheckpoint, suspend, type Waiter } from "@anyloop/core/lowlevel";
import { kernel } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, each, thrownBy } from "./each.ts";

each("a waiter is resumed once; a second time is an error that names it", function* () {
  let waiter: Waiter<number> | undefined;
  yield* taskGroup(function* (group) {
    const task = group.startSoon(
      suspend<number>(function myWait(given) {
        waiter = given;
      }),
    );
    yield* waitAllTasksBlocked();
    waiter?.resume(5);
    expect(() => waiter?.resume(6)).toThrow(/myWait/);
    expect(() => waiter?.fail(new Error("late"))).toThrow(UsageError);
    expect(yield* task.join()).toBe(5);
  });
});

each("resuming inside start completes at once and never calls the abort function", function* () {
  let aborted = false;
  const scope = new CancelScope();
  const value = yield* scope.run(function* () {
    return yield* suspend<number>((waiter) => {
      waiter.resume(1);
      scope.cancel();
      return () => (aborted = true);
    });
  });
  expect([value, aborted]).toEqual([1, false]);
});

each("start that throws fails the operation", function* () {
  const boom = new Error("boom");
  const error = yield* caught(
    suspend(() => {
      throw boom;
    }),
  );
  expect(error).toBe(boom);
});

each("cancelled by its own start, an operation is asked to abort", function* () {
  const scope = new CancelScope();
  let asked = 0;
  yield* scope.run(
    suspend(() => {
      scope.cancel();
      return () => {
        asked++;
        return true;
      };
    }),
  );
  expect([asked, scope.cancelledCaught]).toEqual([1, true]);
});

each(
  "an operation that cannot be aborted completes; the cancel shows at the next checkpoint [trio failed_abort]",
  function* () {
    let waiter: Waiter<string> | undefined;
    const steps: unknown[] = [];
    yield* taskGroup(function* (group) {
      const task = group.startSoon(function* () {
        steps.push(
          yield* suspend<string>((given) => {
            waiter = given;
            return () => false;
          }),
        );
        steps.push(isCancelled(yield* caught(checkpointIfCancelled())));
      });
      yield* waitAllTasksBlocked();
      task.cancel();
      yield* waitAllTasksBlocked();
      waiter?.resume("value");
    });
    expect(steps).toEqual(["value", true]);
  },
);

each(
  "a slow abort is called once for two cancels, and is delivered even if shielded meanwhile [trio slow_abort_edge_cases]",
  function* () {
    let waiter: Waiter<void> | undefined;
    let cancelled: Cancelled | undefined;
    let asked = 0;
    const outer = new CancelScope();
    const middle = new CancelScope();
    let seen: unknown;
    yield* taskGroup(function* (group) {
      group.startSoon(
        outer.run(
          middle.run(function* () {
            seen = yield* caught(
              suspend((given) => {
                waiter = given;
                return (given) => {
                  asked++;
                  cancelled = given;
                  return false;
                };
              }),
            );
            throw seen;
          }),
        ) as never,
      );
      yield* waitAllTasksBlocked();
      outer.cancel();
      outer.cancel();
      middle.cancel();
      middle.shield = true;
      yield* waitAllTasksBlocked();
      expect(asked).toBe(1);
      waiter?.fail(cancelled);
    });
    expect(seen).toBe(cancelled);
    expect(outer.cancelledCaught).toBe(true);
  },
);

for (const backend of [kernel, native]) {
  test(`an abort function that throws ends the run with an internal error [${backend.name}]`, async () => {
    const scope = new CancelScope();
    const waiting = suspend(() => {
      setTimeout(() => scope.cancel(), 1);
      return () => {
        throw new Error("broken abort");
      };
    });
    const error = await thrownBy(run(scope.run(waiting), { backend: backend() }));
    expect((error as { code?: string }).code).toBe("INTERNAL");
    expect(String((error as Error).cause)).toContain("broken abort");
  });
}

each("arriving already cancelled never starts the operation", function* () {
  let started = false;
  yield* new CancelScope().run(function* (scope) {
    scope.cancel();
    yield* suspend(() => {
      started = true;
    });
  });
  expect(started).toBe(false);
});

each("once resumed, a later cancel cannot undo it", function* () {
  let waiter: Waiter<string> | undefined;
  yield* taskGroup(function* (group) {
    const task = group.startSoon(
      suspend<string>((given) => {
        waiter = given;
        return () => true;
      }),
    );
    yield* waitAllTasksBlocked();
    waiter?.resume("value");
    task.cancel();
    expect(yield* task.join()).toBe("value");
  });
});

each("shieldedCheckpoint gives a turn though cancelled; checkpointIfCancelled gives none", function* () {
  const order: string[] = [];
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      order.push("other");
    });
    yield* checkpointIfCancelled();
    order.push("still me");
    yield* new CancelScope().run(function* (scope) {
      scope.cancel();
      yield* shieldedCheckpoint();
      yield* shieldedCheckpoint();
      order.push("after a turn");
    });
  });
  expect(order).toEqual(["still me", "other", "after a turn"]);
});
