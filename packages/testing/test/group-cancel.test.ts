/** Task groups: how cancellation passes through them. */
import {
  Cancelled,
  CancelScope,
  type Coroutine,
  Event,
  isCancelled,
  moveOnAfter,
  shield,
  sleep,
  sleepForever,
  type Task,
  TaskCancelled,
  taskGroup,
} from "@anyloop/core";
import { checkpoint, shieldedCheckpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync, untilCancelled } from "./each.ts";

each(
  "a failing child cancels its siblings, whose cleanup runs before the group ends [anyio exception_cancels_siblings]",
  function* () {
    const steps: string[] = [];
    yield* caught(
      taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* untilCancelled(steps, 2);
        });
        group.startSoon(function* () {
          yield* sleep(1);
          throw new Error("child");
        });
      }),
    );
    steps.push("after");
    expect(steps).toEqual(["cleaned", "after"]);
  },
);

each(
  "cancelled while it waits at its end, a group cancels the children and waits for them [anyio cancel_exiting_task_group]",
  function* () {
    const steps: string[] = [];
    yield* taskGroup(function* (outer) {
      outer.startSoon(function* () {
        yield* taskGroup(function* (inner) {
          inner.startSoon(function* () {
            yield* untilCancelled(steps, 1);
          });
        });
        steps.push("not reached");
      });
      yield* waitAllTasksBlocked();
      outer.cancel();
    });
    expect(steps).toEqual(["cleaned"]);
  },
);

each(
  "of many cancellations one goes on, never a group of them [anyio single_cancellation_exc]",
  function* () {
    let seen: unknown;
    yield* moveOnAfter(2, function* () {
      try {
        yield* taskGroup(function* (group) {
          for (let child = 0; child < 5; child++) group.startSoon(sleepForever());
          yield* sleepForever();
        });
      } catch (error) {
        seen = error;
        throw error;
      }
    });
    expect(seen).toBeInstanceOf(Cancelled);
  },
);

each(
  "outer cancel passes through an inner group; code after it is not run [anyio cancel_cascade]",
  function* () {
    let reached = false;
    yield* taskGroup(function* (outer) {
      outer.startSoon(function* () {
        yield* taskGroup(function* (inner) {
          inner.startSoon(sleepForever());
        });
        reached = true;
      });
      yield* waitAllTasksBlocked();
      outer.cancel();
    });
    expect(reached).toBe(false);
  },
);

each("cancelling an outer group reaches leaves two levels deeper [trio cancel_inheritance]", function* () {
  const cancelled: number[] = [];
  const level = function* (depth: number): Coroutine<void> {
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        try {
          yield* depth === 0 ? sleepForever() : level(depth - 1);
        } finally {
          cancelled.push(depth);
        }
      });
    });
  };
  yield* taskGroup(function* (group) {
    group.startSoon(() => level(2));
    yield* waitAllTasksBlocked();
    group.cancel();
  });
  expect(cancelled).toEqual([0, 1, 2]);
});

each("a group cancelled by hand ends without an error and keeps its reason", function* () {
  let scope: CancelScope | undefined;
  const value = yield* taskGroup(function* (group): Coroutine<string> {
    ({ scope } = group);
    group.startSoon(sleepForever());
    group.cancel("enough");
    return "value";
  });
  expect(value).toBe("value");
  expect(scope?.reason).toBe("enough");
  expect(scope?.cancelledCaught).toBe(true);
});

each(
  "cancelling a child's own scope leaves the group alone [anyio cancel_scope_in_child_task]",
  function* () {
    const scope = new CancelScope();
    let hostDone = false;
    yield* taskGroup(function* (group) {
      group.startSoon(scope.run(sleepForever()));
      yield* waitAllTasksBlocked();
      scope.cancel();
      yield* checkpoint();
      hostDone = true;
      expect(group.scope.cancelCalled).toBe(false);
    });
    expect(hostDone).toBe(true);
    expect(scope.cancelledCaught).toBe(true);
  },
);

each("a child spawned by a cancelled child is cancelled too [anyio cancelled_parent]", function* () {
  let wentOn = false;
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      try {
        yield* checkpoint();
      } finally {
        group.startSoon(function* () {
          yield* new CancelScope().run(sleepForever());
          wentOn = true;
        });
      }
    });
    group.cancel();
  });
  expect(wentOn).toBe(false);
});

each(
  "a child is cancelled though the host is in a shield [anyio cancel_child_task_when_host_is_shielded]",
  function* () {
    const parent = new CancelScope();
    const told = new Event();
    yield* parent.run(function* () {
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          try {
            yield* sleepForever();
          } finally {
            told.set();
          }
        });
        yield* waitAllTasksBlocked();
        yield* shield(function* () {
          parent.cancel();
          yield* told.wait();
        });
      });
    });
    expect(parent.cancelledCaught).toBe(true);
  },
);

each(
  "an empty group in a cancelled scope does not throw [anyio cancel_before_entering_task_group]",
  function* () {
    const scope = new CancelScope();
    let after = false;
    yield* scope.run(function* () {
      scope.cancel();
      yield* taskGroup(() => {});
      after = true;
    });
    expect(after).toBe(true);
    expect(scope.cancelledCaught).toBe(false);
  },
);

each(
  "siblings' clean-up under a shield is waited for before the group throws [anyio nested_task_group_filtering]",
  function* () {
    const boom = new Error("boom");
    const record: string[] = [];
    const error = yield* caught(
      taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* taskGroup(function* (inner) {
            inner.startSoon(function* () {
              yield* untilCancelled(record, 1);
            });
          });
        });
        yield* waitAllTasksBlocked();
        throw boom;
      }),
    );
    expect(error).toBe(boom);
    expect(record).toEqual(["cleaned"]);
  },
);

each("a child that swallows its cancellation gives its value, and the group ends well", function* () {
  let child: Task<string> | undefined;
  yield* taskGroup(function* (group) {
    child = group.startSoon(function* () {
      try {
        yield* sleepForever();
      } catch {
        return "swallowed";
      }
      return "impossible";
    });
    yield* waitAllTasksBlocked();
    child.cancel();
  });
  expect(child?.value).toBe("swallowed");
  expect(child?.status).toBe("finished");
});

each("a child cancelled by its handle throws nothing, with its joiner told", function* () {
  yield* taskGroup(function* (group) {
    const child = group.startSoon(sleepForever());
    const joined = yield* caught(
      taskGroup(function* (inner) {
        inner.startSoon(child.join());
        yield* waitAllTasksBlocked();
        child.cancel("enough");
      }),
    );
    expect(joined).toBeInstanceOf(TaskCancelled);
    expect(((joined as TaskCancelled).cause as Cancelled).reason).toBe("enough");
    expect(child.status).toBe("cancelled");
  });
});

each("status says cancelling, then cancelled; error and value say why", function* () {
  yield* taskGroup(function* (group) {
    const child = group.startSoon(function* () {
      try {
        yield* sleepForever();
      } finally {
        yield* shieldedCheckpoint();
      }
    });
    yield* waitAllTasksBlocked();
    expect(child.status).toBe("running");
    child.cancel();
    expect(child.status).toBe("cancelling");
    yield* child.wait();
    expect(child.status).toBe("cancelled");
    expect(isCancelled(child.error)).toBe(true);
    expect(() => child.value).toThrow(TaskCancelled);
  });
});

eachAsync("async style: strands that lost a Promise.race are cancelled and waited for", async () => {
  const record: string[] = [];
  await taskGroup(async (group) => {
    group.startSoon(async () => {
      await Promise.race([
        checkpoint(),
        shield(async () => {
          await sleep(2);
          record.push("shielded work");
        }),
        sleepForever().catch((error: unknown) => {
          record.push(isCancelled(error) ? "cancelled" : "other");
        }),
      ]);
      record.push("raced");
    });
  });
  expect(record[0]).toBe("raced");
  expect(new Set(record)).toEqual(new Set(["raced", "cancelled", "shielded work"]));
});

eachAsync("async style: two groups at once in one body", async () => {
  const ended: number[] = [];
  const group = (id: number): Promise<void> =>
    taskGroup((inside) => {
      inside.startSoon(sleep(1));
      inside.startSoon(() => {
        ended.push(id);
      });
    });
  await Promise.all([group(1), group(2)]);
  expect(ended.sort()).toEqual([1, 2]);
});
