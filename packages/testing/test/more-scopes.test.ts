/** Further cases of scopes, shields and deadlines. */
import {
  cancellationPending,
  CancelScope,
  cancelSignal,
  currentEffectiveDeadline,
  Event,
  failAfter,
  isCancelled,
  moveOnAfter,
  moveOnAt,
  now,
  shield,
  sleep,
  sleepForever,
  taskGroup,
  TaskCancelled,
  TimeoutError,
  UsageError,
} from "@anyloop/core";
import { checkpoint, shieldedCheckpoint, suspend } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

each(
  "a shield can be switched on and off, and hides only what is outside [trio cancel_shielding]",
  function* () {
    const outer = new CancelScope();
    const inner = new CancelScope();
    yield* outer.run(function* () {
      yield* inner.run(function* () {
        yield* checkpoint();
        outer.cancel();
        expect(isCancelled(yield* caught(checkpoint()))).toBe(true);
        inner.shield = true;
        yield* checkpoint();
        const innermost = new CancelScope();
        yield* innermost.run(function* () {
          innermost.cancel();
          yield* checkpoint();
        });
        expect(innermost.cancelledCaught).toBe(true);
        yield* checkpoint();
        inner.shield = false;
        expect(isCancelled(yield* caught(checkpoint()))).toBe(true);
        inner.shield = true;
        yield* checkpoint();
        inner.cancel();
        yield* checkpoint();
      });
      expect(inner.cancelledCaught).toBe(true);
    });
  },
);

each("a group's shield, lifted, wakes its sleeping children [trio cancel_shield_abort]", function* () {
  const outer = new CancelScope();
  const record: string[] = [];
  yield* outer.run(function* () {
    yield* taskGroup(function* (group) {
      outer.cancel();
      group.scope.shield = true;
      group.startSoon(function* () {
        record.push("sleeping");
        try {
          yield* sleepForever();
        } finally {
          record.push("cancelled");
        }
      });
      yield* waitAllTasksBlocked();
      expect(record).toEqual(["sleeping"]);
      group.scope.shield = false;
      yield* shield(waitAllTasksBlocked());
      expect(record).toEqual(["sleeping", "cancelled"]);
    });
  });
});

each(
  "shielding while a cancellation passes does not stop it [trio unshield_while_cancel_propagating]",
  function* () {
    const outer = new CancelScope();
    const inner = new CancelScope();
    yield* outer.run(function* () {
      yield* inner.run(function* () {
        outer.cancel();
        try {
          yield* checkpoint();
        } finally {
          inner.shield = true;
        }
      });
    });
    expect([outer.cancelledCaught, inner.cancelledCaught]).toEqual([true, false]);
  },
);

each(
  "cancelled outside too, the inner scope lets it pass [anyio cancelled_raises_beyond_origin_unshielded]",
  function* () {
    const outer = new CancelScope();
    const inner = new CancelScope();
    let between = false;
    yield* outer.run(function* () {
      yield* inner.run(function* () {
        inner.cancel();
        try {
          yield* checkpoint();
        } finally {
          outer.cancel();
        }
      });
      between = true;
    });
    expect(between).toBe(false);
    expect([inner.cancelledCaught, outer.cancelledCaught]).toEqual([false, true]);
  },
);

each(
  "a shield takes out its own though all around is cancelled [anyio cancelled_raises_beyond_origin_shielded]",
  function* () {
    const outer = new CancelScope();
    const inner = new CancelScope({ shield: true });
    let between = false;
    yield* outer.run(function* () {
      yield* inner.run(function* () {
        inner.cancel();
        try {
          yield* checkpoint();
        } finally {
          outer.cancel();
        }
      });
      between = true;
    });
    expect(between).toBe(true);
    expect([inner.cancelledCaught, outer.cancelledCaught]).toEqual([true, false]);
  },
);

each(
  "an inner group cancelled first and an outer scope in the same turn: the code between does not run",
  function* () {
    const outer = new CancelScope();
    let between = false;
    yield* taskGroup(function* (group) {
      const cancelInner = new Event();
      group.startSoon(
        outer.run(function* () {
          yield* taskGroup(function* (inner) {
            group.startSoon(function* () {
              yield* cancelInner.wait();
              inner.cancel();
              outer.cancel();
            });
            yield* sleepForever();
          });
          between = true;
        }),
      );
      yield* waitAllTasksBlocked();
      cancelInner.set();
    });
    expect(between).toBe(false);
    expect(outer.cancelledCaught).toBe(true);
  },
);

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

each("a shield set before entry works, and can be lifted inside", function* () {
  const outer = new CancelScope();
  const inner = new CancelScope();
  inner.shield = true;
  yield* outer.run(() =>
    inner.run(function* () {
      outer.cancel();
      yield* checkpoint();
      inner.shield = false;
      expect(isCancelled(yield* caught(checkpoint()))).toBe(true);
    }),
  );
});

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

each("a timeout under a shield throws though all around is cancelled [anyio nested_shield]", function* () {
  const scope = new CancelScope();
  const error = yield* caught(
    scope.run(function* () {
      yield* shield(function* () {
        scope.cancel();
        yield* failAfter(1, sleepForever());
      });
    }),
  );
  expect(error).toBeInstanceOf(TimeoutError);
});

each(
  "three scopes with a shield inside, checkpoint in the middle one [anyio triple_nested_shield]",
  function* () {
    const outer = new CancelScope();
    let past = false;
    yield* outer.run(() =>
      new CancelScope().run(function* () {
        yield* shield(function* () {
          outer.cancel();
          yield* checkpoint();
        });
        yield* checkpoint();
        past = true;
      }),
    );
    expect(past).toBe(false);
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

each("an abort function that cancels further scopes, and lifts shields, keeps the tree right", function* () {
  const a = new CancelScope();
  const b = new CancelScope();
  const hidden = new CancelScope({ shield: true });
  yield* taskGroup(function* (group) {
    group.startSoon(
      a.run(
        suspend(() => () => {
          b.cancel();
          hidden.shield = false;
          return true;
        }),
      ),
    );
    group.startSoon(b.run(sleepForever()));
    const outer = group.startSoon(hidden.run(sleepForever()));
    yield* waitAllTasksBlocked();
    outer.cancel();
    yield* waitAllTasksBlocked();
    expect(outer.status).toBe("cancelling");
    a.cancel();
    yield* outer.wait();
    expect(outer.status).toBe("cancelled");
  });
  expect([a.cancelledCaught, b.cancelledCaught]).toEqual([true, true]);
});

eachAsync("cancelSignal in async style is aborted with its scope, once", async () => {
  let aborts = 0;
  const scope = new CancelScope();
  await scope.run(async () => {
    const signal = cancelSignal();
    signal.addEventListener("abort", () => aborts++);
    expect(cancelSignal().aborted).toBe(false);
    scope.cancel("why");
    scope.cancel("again");
    expect(isCancelled(signal.reason)).toBe(true);
    await checkpoint().catch(() => {});
  });
  expect(aborts).toBe(1);
  expect(scope.reason).toBe("why");
});

each("the signal of a scope that was left is not aborted afterwards", function* () {
  const outer = new CancelScope();
  const inner = new CancelScope({ shield: true });
  const { signal } = inner;
  yield* outer.run(function* () {
    yield* inner.run(checkpoint());
    outer.cancel();
    inner.shield = false;
  });
  expect(signal.aborted).toBe(false);
});

eachAsync("level cancellation in async style survives finally, catch and helper functions", async () => {
  const record: string[] = [];
  const helper = async (): Promise<void> => {
    try {
      await sleepForever();
    } finally {
      record.push("helper");
      await sleep(1).catch((error: unknown) => record.push(isCancelled(error) ? "again" : "other"));
    }
  };
  await moveOnAfter(1, async () => {
    try {
      await helper();
    } finally {
      await shield(sleep(1));
      record.push("shielded");
    }
    record.push("not reached");
  });
  expect(record).toEqual(["helper", "again", "shielded"]);
});

eachAsync(
  "a scope around raw promises waits for them, and its cancellation shows at the next operation",
  async () => {
    const scope = new CancelScope();
    const record: string[] = [];
    await scope.run(async () => {
      scope.cancel();
      await new Promise((resolve) => setTimeout(resolve, 1));
      record.push("raw");
      await checkpoint();
      record.push("not reached");
    });
    expect(record).toEqual(["raw"]);
    expect(scope.cancelledCaught).toBe(true);
  },
);
