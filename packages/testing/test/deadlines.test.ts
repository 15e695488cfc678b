/** Deadlines and timeouts. */
import {
  cancellationPending,
  CancelScope,
  currentEffectiveDeadline,
  Event,
  failAfter,
  failAt,
  moveOnAfter,
  moveOnAt,
  now,
  shield,
  sleep,
  sleepForever,
  sleepUntil,
  taskGroup,
  TimeoutError,
  UsageError,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

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
  const scope = new CancelScope({ timeout: 100 });
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      yield* waitAllTasksBlocked();
      scope.deadline = now() + 10_000;
    });
    yield* scope.run(sleep(120));
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

each(
  "effective deadline: the nearest one, not hidden ones, -Infinity once cancelled [trio current_effective_deadline]",
  function* () {
    expect(currentEffectiveDeadline()).toBe(Infinity);
    const start = now();
    yield* moveOnAt(start + 90_000, function* (outer) {
      expect(currentEffectiveDeadline()).toBe(start + 90_000);
      yield* moveOnAt(start + 50_000, function* (inner) {
        expect(currentEffectiveDeadline()).toBe(start + 50_000);
        inner.shield = true;
        outer.deadline = start + 20_000;
        expect(currentEffectiveDeadline()).toBe(start + 50_000);
        inner.shield = false;
        expect(currentEffectiveDeadline()).toBe(start + 20_000);
        outer.deadline = Infinity;
        expect(currentEffectiveDeadline()).toBe(start + 50_000);
        inner.cancel();
        expect(currentEffectiveDeadline()).toBe(-Infinity);
      });
      expect(currentEffectiveDeadline()).toBe(Infinity);
      outer.cancel();
      yield* shield(() => {
        expect(currentEffectiveDeadline()).toBe(Infinity);
        expect(cancellationPending()).toBe(true);
      });
    });
  },
);

eachAsync("effective deadline, async style", async () => {
  const start = now();
  await moveOnAt(start + 50_000, async () => {
    await checkpoint();
    expect(currentEffectiveDeadline()).toBe(start + 50_000);
    await shield(async () => {
      await checkpoint();
      expect(currentEffectiveDeadline()).toBe(Infinity);
    });
  });
});

each("a deadline moved into the past cancels at the first operation", function* () {
  const scope = new CancelScope();
  let after = false;
  yield* scope.run(function* () {
    yield* checkpoint();
    scope.deadline = now() - 5;
    expect(scope.cancelCalled).toBe(true);
    yield* checkpoint();
    after = true;
  });
  expect(after).toBe(false);
  expect(scope.cancelledCaught).toBe(true);
});

each("a deadline moved earlier by another task while the body waits", function* () {
  const scope = new CancelScope({ timeout: 1_000_000 });
  yield* taskGroup(function* (group) {
    group.startSoon(scope.run(sleepForever()));
    yield* waitAllTasksBlocked();
    scope.deadline = now() + 1;
  });
  expect(scope.cancelledCaught).toBe(true);
});

each("a deadline taken away while the body waits", function* () {
  const scope = new CancelScope({ timeout: 20 });
  const go = new Event();
  yield* taskGroup(function* (group) {
    group.startSoon(scope.run(go.wait()));
    yield* waitAllTasksBlocked();
    scope.deadline = Infinity;
    yield* sleep(30);
    go.set();
  });
  expect(scope.cancelCalled).toBe(false);
});

each("a deadline moved many times fires once [trio deadline_duplicates]", function* () {
  const scope = new CancelScope();
  const start = now();
  yield* scope.run(function* () {
    for (let turn = 0; turn < 2000; turn++) {
      scope.deadline = start + 1_000_000;
      scope.deadline = start + 2_000_000;
    }
    scope.deadline = start + 2;
    yield* sleepForever();
  });
  expect(scope.cancelledCaught).toBe(true);
});

each(
  "of two deadlines due in one turn, the first may still move the second",
  function* () {
    const time = now() + 10;
    const first = new CancelScope({ deadline: time });
    const second = new CancelScope({ deadline: time });
    first.signal.addEventListener("abort", () => {
      second.deadline = time + 1000;
    });
    const go = new Event();
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        yield* first.run(sleepForever());
        go.set();
      });
      yield* waitAllTasksBlocked();
      yield* second.run(go.wait());
    });
    expect(first.cancelledCaught).toBe(true);
    expect(second.cancelCalled).toBe(false);
  },
  { virtualOnly: true },
);

each("failAfter: work that ends in spite of the deadline gives its value", function* () {
  const value = yield* failAfter(0, function* () {
    yield* caught(checkpoint());
    return "done";
  });
  expect(value).toBe("done");
});

each("failAfter: a real error of the clean-up is thrown instead of the TimeoutError", function* () {
  const boom = new Error("boom");
  const error = yield* caught(
    failAfter(0, function* () {
      try {
        yield* checkpoint();
      } catch {
        throw boom;
      }
    }),
  );
  expect(error).toBe(boom);
});

each("failAfter says which scope it was, and takes one performance after the other", function* () {
  let given: CancelScope | undefined;
  const work = failAfter(0, function* (scope) {
    given = scope;
    yield* checkpoint();
  });
  for (let turn = 0; turn < 2; turn++) {
    const error = yield* caught(work);
    expect(error).toBeInstanceOf(TimeoutError);
    expect((error as TimeoutError).scope).toBe(given);
  }
});

each("one moveOnAfter operation performed by two tasks at once has a scope for each", function* () {
  const scopes = new Set<CancelScope>();
  const work = moveOnAfter(1, function* (scope) {
    scopes.add(scope);
    yield* sleepForever();
  });
  yield* taskGroup((group) => {
    group.startSoon(work);
    group.startSoon(work);
  });
  expect(scopes.size).toBe(2);
  for (const scope of scopes) expect(scope.cancelledCaught).toBe(true);
});

each("one sleep performed by many tasks at once", function* () {
  const nap = sleep(1);
  let woken = 0;
  yield* taskGroup((group) => {
    for (let index = 0; index < 10; index++) {
      group.startSoon(function* () {
        yield* nap;
        yield* nap;
        woken++;
      });
    }
  });
  expect(woken).toBe(10);
});

each(
  "a deadline that has passed counts as cancelled, also before the scope is entered [trio cancel_unbound]",
  function* () {
    const scope = new CancelScope({ deadline: now() + 60_000 });
    expect(scope.cancelCalled).toBe(false);
    scope.deadline = now() - 1;
    expect(scope.cancelCalled).toBe(true);
    scope.deadline = now() + 60_000;
    expect(scope.cancelCalled).toBe(true);
    yield* scope.run(checkpoint());
    expect(scope.cancelledCaught).toBe(true);

    const later = new CancelScope({ timeout: 0 });
    expect(later.cancelCalled).toBe(false);
  },
);

each(
  "a scope that was left in time is not cancelled by its deadline",
  function* () {
    const scope = new CancelScope({ timeout: 1 });
    yield* scope.run(checkpoint());
    yield* sleep(2);
    expect(scope.cancelCalled).toBe(false);
  },
  { virtualOnly: true },
);
