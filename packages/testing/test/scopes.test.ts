/** The contract of cancel scopes, shields and deadlines. */
import type { Cancelled } from "@anyloop/core";
import {
  cancellationPending,
  CancelScope,
  cancelSignal,
  type Coroutine,
  currentEffectiveDeadline,
  currentTask,
  errorsOf,
  Event,
  failAfter,
  failAt,
  isCancelled,
  moveOnAfter,
  moveOnAt,
  now,
  type Operation,
  operation,
  shield,
  sleep,
  sleepForever,
  sleepUntil,
  taskGroup,
  TimeoutError,
  UsageError,
} from "@anyloop/core";
import { checkpoint, checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

each(
  "cancelling twice is cancelling once; every later checkpoint throws again [trio cancel_edge_cases]",
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

each("a shielded scope is itself cancellable [anyio shielding_immediate_scope_cancelled]", function* () {
  const scope = new CancelScope({ shield: true });
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
  "three nested scopes, a shield in the middle: outside it the cancel is seen [anyio triple_nested_shield_checkpoint_in_outer]",
  function* () {
    const steps: string[] = [];
    const outer = new CancelScope();
    yield* outer.run(function* () {
      yield* shield(function* () {
        const inner = new CancelScope();
        yield* inner.run(function* () {
          outer.cancel();
          yield* checkpoint();
          steps.push("hidden");
          inner.cancel();
          yield* checkpoint();
        });
        yield* checkpoint();
        steps.push("still hidden");
      });
      yield* checkpoint();
      steps.push("not reached");
    });
    expect(steps).toEqual(["hidden", "still hidden"]);
  },
);

each("lifting a shield delivers at once what it hid", function* () {
  const outer = new CancelScope();
  let reached = false;
  yield* outer.run(function* () {
    const inner = new CancelScope({ shield: true });
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        yield* shield(waitAllTasksBlocked());
        outer.cancel();
        yield* shield(waitAllTasksBlocked());
        inner.shield = false;
      });
      yield* inner.run(sleepForever());
      reached = true;
      yield* checkpoint();
    });
  });
  expect([outer.cancelledCaught, reached]).toEqual([true, false]);
});

each(
  "a pending cancel can be polled inside a shield and is delivered after it [curio defer_cancellation]",
  function* () {
    const polled: boolean[] = [];
    const scope = new CancelScope();
    yield* scope.run(function* () {
      yield* shield(function* () {
        polled.push(cancellationPending());
        scope.cancel();
        polled.push(cancellationPending());
        yield* checkpoint();
      });
      yield* checkpoint();
      polled.push(true);
    });
    expect(polled).toEqual([false, true]);
  },
);

each(
  "a deadline that already passed cancels at the first checkpoint [anyio deadline_reached_on_start]",
  function* () {
    let began = false;
    const value = yield* moveOnAfter(0, function* () {
      began = true;
      yield* checkpoint();
      return 1;
    });
    expect([began, value]).toEqual([true, undefined]);
    expect(yield* moveOnAt(now() - 5, sleepForever())).toBeUndefined();
  },
);

each("moving the deadline later while sleeping lets the body finish [anyio deadline_moved]", function* () {
  const scope = new CancelScope({ timeout: 10 });
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      yield* sleep(2);
      scope.deadline = now() + 10_000;
    });
    yield* scope.run(sleep(30));
  });
  expect(scope.cancelCalled).toBe(false);
});

each("the effective deadline ignores everything beyond a shield [anyio shielded_deadline]", function* () {
  expect(currentEffectiveDeadline()).toBe(Infinity);
  yield* moveOnAfter(1000, function* () {
    const outer = currentEffectiveDeadline();
    expect(outer).toBeLessThanOrEqual(now() + 1000);
    yield* moveOnAfter(5000, () => expect(currentEffectiveDeadline()).toBe(outer));
    yield* shield(() => expect(currentEffectiveDeadline()).toBe(Infinity));
  });
  yield* new CancelScope().run((scope) => {
    scope.cancel();
    expect(currentEffectiveDeadline()).toBe(-Infinity);
  });
});

each(
  "failAfter cancelled by hand before its deadline does not throw TimeoutError [anyio fail_after_cancelled_before_deadline]",
  function* () {
    const value = yield* failAfter(10_000, function* (scope) {
      scope.cancel();
      yield* checkpoint();
      return 1;
    });
    expect(value).toBeUndefined();
  },
);

each(
  "several tasks cancelled by one deadline give one TimeoutError [anyio timeout_error_with_multiple_cancellations]",
  function* () {
    const error = yield* caught(
      failAfter(2, () =>
        taskGroup(function* (group) {
          for (let child = 0; child < 4; child++) group.startSoon(sleepForever());
          yield* sleepForever();
        }),
      ),
    );
    expect(error).toBeInstanceOf(TimeoutError);
  },
);

each(
  "relative deadlines count from entry, not from construction [trio timeout_deadline_on_entry]",
  function* () {
    const scope = new CancelScope({ timeout: 40 });
    yield* sleep(20);
    const entered = now();
    yield* scope.run(() => expect(scope.deadline).toBeGreaterThanOrEqual(entered + 40));
  },
);

each(
  "an inner timeout that escapes through an outer one is told apart [curio nested_timeout_uncaught]",
  function* () {
    let inner: CancelScope | undefined;
    let outer: CancelScope | undefined;
    const error = yield* caught(
      failAfter(10_000, (outerScope) => {
        outer = outerScope;
        return failAfter(1, (innerScope) => {
          inner = innerScope;
          return sleepForever();
        });
      }),
    );
    expect(error).toBeInstanceOf(TimeoutError);
    expect((error as TimeoutError).scope).toBe(inner);
    expect(outer?.cancelCalled).toBe(false);
  },
);

each("no timeout inside a timeout leaves the outer in force [curio nested_timeout_none]", function* () {
  expect(yield* caught(failAfter(2, () => failAfter(Infinity, sleepForever())))).toBeInstanceOf(TimeoutError);
});

each("failAt and sleepUntil take times on the loop's clock", function* () {
  expect(yield* caught(failAt(now() + 2, sleepForever()))).toBeInstanceOf(TimeoutError);
  const before = now();
  yield* sleepUntil(before + 3);
  expect(now()).toBeGreaterThanOrEqual(before + 3);
});

each(
  "what is due together with the deadline completes",
  function* () {
    const value = yield* moveOnAfter(5, function* () {
      yield* sleep(5);
      return "completed";
    });
    expect(value).toBe("completed");
  },
  { virtualOnly: true },
);

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

each("a scope's signal is aborted with the Cancelled, also when made late", function* () {
  const scope = new CancelScope();
  yield* scope.run(function* () {
    const signal = cancelSignal();
    expect(signal).toBe(scope.signal);
    expect(signal.aborted).toBe(false);
    scope.cancel("why");
    expect(signal.aborted).toBe(true);
    expect((signal.reason as Cancelled).reason).toBe("why");
    expect(currentTask().status).toBe("running");
    yield* checkpointIfCancelled();
  });
  yield* moveOnAfter(0, () => expect(cancelSignal().aborted).toBe(true));
});

each("an enclosing cancel aborts the signal of an inner scope, not that of a shield", function* () {
  const outer = new CancelScope();
  yield* outer.run(function* () {
    const inner = new CancelScope();
    const hidden = new CancelScope({ shield: true });
    yield* inner.run(() =>
      hidden.run(function* () {
        const signals = [inner.signal, hidden.signal];
        outer.cancel();
        expect(signals.map((signal) => signal.aborted)).toEqual([true, false]);
        yield* checkpoint();
      }),
    );
  });
});

each("bad times are refused at once, with what to do", function* () {
  for (const bad of [
    () => sleep(Number.NaN),
    () => moveOnAfter(Number.NaN, sleep(1)),
    () => failAt(Number.NaN, sleep(1)),
  ]) {
    expect(bad).toThrow(UsageError);
  }
  expect(() => new CancelScope({ deadline: Number.NaN })).toThrow(/number of milliseconds/);
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
