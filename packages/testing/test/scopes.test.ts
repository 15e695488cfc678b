/** Cancel scopes: their life, and whose cancellation they take out. */
import {
  CancelScope,
  type Coroutine,
  errorsOf,
  Event,
  failAfter,
  isCancelled,
  moveOnAfter,
  type Operation,
  operation,
  shield,
  sleep,
  sleepForever,
  type Task,
  TaskCancelled,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { checkpoint, shieldedCheckpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

/** The same as `caught`, for a plain generator. */
function* caughtIn(work: Coroutine<unknown>): Coroutine<unknown> {
  try {
    yield* work;
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
}

each(
  "cancelling twice is cancelling once; every later checkpoint throws again [trio cancel_edge_cases, cancel_reason_not_overwritten]",
  function* () {
    const scope = new CancelScope();
    const seen: unknown[] = [];
    yield* scope.run(function* () {
      scope.cancel("first");
      scope.cancel("second");
      for (let time = 0; time < 3; time++) seen.push(yield* caught(checkpoint()));
      yield* checkpoint();
    });
    expect(seen.every((error) => error === seen[0] && isCancelled(error))).toBe(true);
    expect(scope.reason).toBe("first");
    expect(scope.cancelledCaught).toBe(true);
  },
);

eachAsync("every later checkpoint throws again, async style", async () => {
  const scope = new CancelScope();
  let caughtTimes = 0;
  await scope.run(async () => {
    scope.cancel();
    for (let time = 0; time < 3; time++) await sleep(1).catch(() => caughtTimes++);
    await sleepForever();
  });
  expect(caughtTimes).toBe(3);
  expect(scope.cancelledCaught).toBe(true);
});

each(
  "a cancelled scope whose body has no checkpoint caught nothing [anyio cancelled_not_caught]",
  function* () {
    const scope = new CancelScope();
    const value = yield* scope.run(() => {
      scope.cancel();
      return 1;
    });
    expect([value, scope.cancelCalled, scope.cancelledCaught]).toEqual([1, true, false]);
  },
);

each(
  "cancel before entry fires at the first checkpoint inside [anyio cancel_before_entering_scope]",
  function* () {
    const scope = new CancelScope();
    scope.cancel();
    let began = false;
    yield* scope.run(function* () {
      began = true;
      yield* checkpoint();
      throw new Error("not reached");
    });
    expect([began, scope.cancelledCaught]).toEqual([true, true]);
  },
);

each("a scope cannot be used twice [trio cancel_unbound]", function* () {
  const scope = new CancelScope();
  yield* scope.run(() => 1);
  expect(yield* caught(scope.run(() => 1))).toBeInstanceOf(UsageError);
  const open = new CancelScope();
  expect(yield* caught(open.run(open.run(() => 1)))).toBeInstanceOf(UsageError);
});

each("another task can cancel a scope it was given [anyio cancel_scope_in_another_task]", function* () {
  const scope = new CancelScope();
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      yield* waitAllTasksBlocked();
      scope.cancel();
    });
    yield* scope.run(sleepForever());
  });
  expect(scope.cancelledCaught).toBe(true);
});

each(
  "10 000 nested scopes neither overflow nor turn quadratic [trio very_deep_cancel_scope_nesting]",
  function* () {
    const nest: (depth: number) => Operation<void> = operation(function* nestedScope(depth: number) {
      if (depth === 0) yield* sleepForever();
      else yield* new CancelScope().run(nest(depth - 1));
    });
    const outer = new CancelScope({ timeout: 20 });
    yield* outer.run(nest(10_000));
    expect(outer.cancelledCaught).toBe(true);
  },
  { seeds: 1 },
);

each(
  "20 000 nested operations do not overflow",
  function* () {
    const dive: (depth: number) => Operation<number> = operation(function* deeper(
      depth: number,
    ): Coroutine<number> {
      if (depth === 0) {
        yield* checkpoint();
        return 0;
      }
      return 1 + (yield* dive(depth - 1));
    });
    expect(yield* dive(20_000)).toBe(20_000);
  },
  { seeds: 1 },
);

each(
  "several errors with cancellations among them: the rest is thrown [trio cancel_scope_exceptiongroup_filtering]",
  function* () {
    const one = new Error("one");
    const two = new Error("two");
    const error = yield* caught(
      taskGroup(function* (group) {
        const failing = function* (error: Error): Coroutine<void> {
          try {
            yield* sleepForever();
          } finally {
            // oxlint-disable-next-line no-unsafe-finally -- a clean-up that fails is what is tested
            throw error;
          }
        };
        group.startSoon(() => failing(one));
        group.startSoon(() => failing(two));
        group.startSoon(sleepForever());
        yield* waitAllTasksBlocked();
        group.cancel();
      }),
    );
    expect(errorsOf(error).sort()).toEqual([one, two].sort());
  },
);

each(
  "a swallowed cancellation comes again; a waiting finally runs to its end; nothing after runs",
  function* () {
    const steps: string[] = [];
    function* inner(): Coroutine<void> {
      try {
        yield* sleepForever();
        steps.push("inner went on");
      } finally {
        yield* shield(sleep(1));
        steps.push("inner finally");
      }
      steps.push("after inner finally");
    }
    function* middle(): Coroutine<void> {
      try {
        yield* inner();
        steps.push("middle went on");
      } finally {
        yield* shield(sleep(1));
        steps.push("middle finally");
      }
    }
    yield* moveOnAfter(2, function* () {
      try {
        yield* middle();
      } catch {
        steps.push("swallowed");
      }
      yield* checkpoint();
      steps.push("went on");
    });
    expect(steps).toEqual(["inner finally", "middle finally", "swallowed"]);
  },
);

eachAsync("a swallowed cancellation comes again, async style", async () => {
  const steps: string[] = [];
  const inner = async (): Promise<void> => {
    try {
      await sleepForever();
    } finally {
      await shield(sleep(1));
      steps.push("finally");
    }
  };
  await moveOnAfter(2, async () => {
    try {
      await inner();
    } catch {
      steps.push("swallowed");
    }
    await checkpoint();
    steps.push("went on");
  });
  expect(steps).toEqual(["finally", "swallowed"]);
});

each("the outermost cancelled scope wins", function* () {
  const outer = new CancelScope();
  const inner = new CancelScope();
  yield* outer.run(function* () {
    yield* inner.run(function* () {
      inner.cancel();
      outer.cancel();
      yield* checkpoint();
    });
  });
  expect([inner.cancelledCaught, outer.cancelledCaught]).toEqual([false, true]);
});

each("scopes of many siblings can be cancelled while being cancelled", function* () {
  const scopes = Array.from({ length: 5 }, () => new CancelScope());
  const done = new Event();
  yield* taskGroup(function* (group) {
    for (const scope of scopes) {
      group.startSoon(() =>
        scope.run(function* () {
          scope.signal.addEventListener("abort", () => {
            for (const other of scopes) other.cancel();
          });
          yield* done.wait();
        }),
      );
    }
    yield* waitAllTasksBlocked();
    scopes[2]?.cancel();
  });
  expect(scopes.every((scope) => scope.cancelledCaught)).toBe(true);
});

test("Cancelled carries no trace", async () => {
  const { run } = await import("@anyloop/core");
  const { kernel } = await import("@anyloop/kernel");
  await run(
    function* () {
      const scope = new CancelScope();
      let seen: unknown;
      yield* scope.run(function* () {
        scope.cancel();
        seen = yield* caught(checkpoint());
        throw seen;
      });
      expect((seen as Error).stack ?? "").not.toContain(" at ");
    },
    { backend: kernel() },
  );
});

each(
  "of scopes cancelled inside out before the wait, the outermost takes it [trio cancel_scope_nesting]",
  function* () {
    const scopes = [new CancelScope(), new CancelScope(), new CancelScope()] as const;
    yield* scopes[0].run(() =>
      scopes[1].run(() =>
        scopes[2].run(function* () {
          scopes[2].cancel();
          scopes[1].cancel();
          yield* sleepForever();
        }),
      ),
    );
    expect(scopes.map((scope) => scope.cancelledCaught)).toEqual([false, true, false]);
  },
);

each("a pending cancellation that is left behind is not delivered", function* () {
  const scope = new CancelScope();
  yield* scope.run(function* () {
    scope.cancel();
    yield* shieldedCheckpoint();
  });
  yield* checkpoint();
  expect(scope.cancelledCaught).toBe(false);
});

each(
  "entering a scope again, in it or in another task, is an error and harms nobody [trio cancel_unbound]",
  function* () {
    const scope = new CancelScope();
    yield* taskGroup(function* (group) {
      group.startSoon(
        scope.run(function* () {
          expect(yield* caught(scope.run(checkpoint()))).toBeInstanceOf(UsageError);
          yield* sleepForever();
        }),
      );
      yield* waitAllTasksBlocked();
      expect(yield* caught(scope.run(checkpoint()))).toBeInstanceOf(UsageError);
      yield* checkpoint();
      scope.cancel();
    });
    expect(scope.cancelledCaught).toBe(true);
  },
);

each(
  "a task that ends while cancelled from another place ends as cancelled [anyio nested_fail_after]",
  function* () {
    const scope = new CancelScope();
    const reached: string[] = [];
    yield* taskGroup(function* (group) {
      yield* scope.run(function* () {
        yield* new CancelScope().run(function* () {
          group.startSoon(function* () {
            yield* waitAllTasksBlocked();
            scope.cancel();
          });
          yield* failAfter(60_000, function* () {
            yield* sleepForever();
            reached.push("inside");
          });
          reached.push("after the timeout");
        });
        reached.push("after the inner scope");
      });
    });
    expect(reached).toEqual([]);
    expect(scope.cancelledCaught).toBe(true);
  },
);

each("a failure after a cancellation was caught is thrown, not taken out", function* () {
  const scope = new CancelScope();
  const boom = new Error("boom");
  const error = yield* caught(
    scope.run(function* () {
      scope.cancel();
      try {
        yield* checkpoint();
      } catch {
        throw boom;
      }
    }),
  );
  expect(error).toBe(boom);
  expect(scope.cancelledCaught).toBe(false);
});

each("a Cancelled kept from a scope that has ended is an error anywhere else", function* () {
  let kept: unknown;
  const scope = new CancelScope();
  yield* scope.run(function* () {
    scope.cancel();
    kept = yield* caught(checkpoint());
    throw kept;
  });
  expect(scope.cancelledCaught).toBe(true);
  const error = yield* caught(
    taskGroup(function* (group) {
      group.startSoon(() => {
        throw kept;
      });
      yield* sleepForever();
    }),
  );
  expect(error).toBeInstanceOf(TaskCancelled);
  expect((error as TaskCancelled).cause).toBe(kept);
});

each(
  "a cancellation inside an AggregateError is taken out, the errors beside it are thrown [anyio exception_group_filtering, reraise_cancelled_in_excgroup]",
  function* () {
    const boom = new Error("boom");
    const throwWrapped = function* (wrap: (cancelled: unknown) => Error): Coroutine<unknown> {
      const scope = new CancelScope();
      scope.cancel();
      const result = yield* scope.run(function* (): Coroutine<void> {
        throw wrap(yield* caught(checkpoint()));
      });
      expect(scope.cancelledCaught).toBe(true);
      return result;
    };
    expect(yield* throwWrapped((cancelled) => new AggregateError([cancelled, cancelled]))).toBe(undefined);
    const single = yield* caughtIn(throwWrapped((cancelled) => new AggregateError([boom, cancelled])));
    expect(single).toBe(boom);
    const nested = yield* caughtIn(
      throwWrapped(
        (cancelled) => new AggregateError([new AggregateError([boom, cancelled]), new Error("bang")], "both"),
      ),
    );
    expect(nested).toMatchObject({ name: "AggregateError", message: "both" });
    expect(errorsOf(nested).map((error) => (error as Error).message)).toEqual(["boom", "bang"]);
    const alone = new AggregateError([boom]);
    expect(yield* caughtIn(throwWrapped(() => alone))).toBe(alone);
  },
);

each("an AggregateError that contains itself goes on as it is", function* () {
  const knot = new AggregateError([]);
  knot.errors.push(knot, new Error("boom"));
  const error = yield* caught(
    new CancelScope().run(() => {
      throw knot;
    }),
  );
  expect(error).toBe(knot);
});

eachAsync("a cancelled Promise.any is cancelled, in a scope, a task and a group", async () => {
  const scope = new CancelScope();
  let task: Task<unknown> | undefined;
  await scope.run(async () => {
    await taskGroup(async (group) => {
      task = group.startSoon(async () => await Promise.any([sleepForever(), sleepForever()]));
      await waitAllTasksBlocked();
      scope.cancel();
      await Promise.any([sleepForever(), sleepForever()]);
    });
    throw new Error("The code after it was run.");
  });
  expect(scope.cancelledCaught).toBe(true);
  expect(task?.status).toBe("cancelled");
});

each("the message of a Cancelled tells why [anyio cancel_reason]", function* () {
  yield* taskGroup(function* (group) {
    group.cancel("the reactor melts");
    expect(String(yield* caught(checkpoint()))).toContain("the reactor melts");
  });
});
