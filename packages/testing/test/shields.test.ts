/** Shields, and cancellations from several scopes at once. */
import {
  cancellationPending,
  CancelScope,
  Event,
  failAfter,
  fromPromise,
  isCancelled,
  moveOnAfter,
  shield,
  sleep,
  sleepForever,
  taskGroup,
  TimeoutError,
} from "@anyloop/core";
import { addInstrument, checkpoint, suspend } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

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
  "shielding while a cancellation passes does not stop it [trio unshield_stepsMeanwhilecancel_propagating]",
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

const beyondOrigin: readonly [title: string, shield: boolean][] = [
  [
    "cancelled outside too, the inner scope lets it pass [anyio cancelled_raises_beyond_origin_unshielded]",
    false,
  ],
  [
    "a shield takes out its own though all around is cancelled [anyio cancelled_raises_beyond_origin_shielded]",
    true,
  ],
];
for (const [title, isShielded] of beyondOrigin) {
  each(title, function* () {
    const outer = new CancelScope();
    const inner = new CancelScope({ shield: isShielded });
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
    expect(between).toBe(isShielded);
    expect([inner.cancelledCaught, outer.cancelledCaught]).toEqual([isShielded, !isShielded]);
  });
}

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

each(
  "a cancelled scope does not keep the loop busy while what is in it cannot stop yet [anyio no_spin_on_done_task_in_cancel_scope]",
  function* () {
    let steps = 0;
    addInstrument({ beforeStep: () => void steps++ });
    const scope = new CancelScope();
    let stepsMeanwhile = -1;
    const hostTime = (milliseconds: number): Promise<void> =>
      new Promise((resolve) => setTimeout(resolve, milliseconds));
    yield* taskGroup(function* (group) {
      group.startSoon(
        scope.run(() =>
          shield(
            fromPromise(
              (async () => {
                await hostTime(3);
                const before = steps;
                await hostTime(6);
                stepsMeanwhile = steps - before;
              })(),
            ),
          ),
        ),
      );
      yield* checkpoint();
      yield* checkpoint();
      scope.cancel();
    });
    expect(stepsMeanwhile).toBe(0);
  },
  { seeds: 3 },
);
