/** The contract of `start`. */
import {
  CancelScope,
  currentTask,
  Event,
  shield,
  sleep,
  sleepForever,
  type Task,
  taskGroup,
  type TaskStatus,
  UsageError,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

each("start gives the value passed to started [anyio start_with_value]", function* () {
  yield* taskGroup(function* (group) {
    const value = yield* group.start<string>(function* (status) {
      yield* checkpoint();
      status.started("ready");
      yield* checkpoint();
    });
    expect(value).toBe("ready");
  });
});

eachAsync("start works in async style", async () => {
  await taskGroup(async (group) => {
    const value = await group.start<string>(async (status) => {
      await checkpoint();
      status.started("ready");
      await checkpoint();
    });
    expect(value).toBe("ready");
  });
});

each("startTask gives the task and the value", function* () {
  yield* taskGroup(function* (group) {
    const { task, value } = yield* group.startTask<number>(function* (status) {
      status.started(1);
      return "result";
    });
    expect(value).toBe(1);
    expect(yield* task.join()).toBe("result");
  });
});

each("a second started is an error in the child [anyio start_called_twice]", function* () {
  const error = yield* caught(
    taskGroup(function* (group) {
      yield* group.start(function* (status) {
        status.started();
        status.started();
        yield* checkpoint();
      });
    }),
  );
  expect(error).toBeInstanceOf(UsageError);
});

each(
  "a crash before started is thrown bare from start, and the group goes on [anyio start_crash_before_started_call]",
  function* () {
    const boom = new Error("boom");
    let after = false;
    yield* taskGroup(function* (group) {
      const error = yield* caught(
        group.start(function* () {
          yield* checkpoint();
          throw boom;
        }),
      );
      expect(error).toBe(boom);
      yield* checkpoint();
      after = true;
    });
    expect(after).toBe(true);
  },
);

each(
  "a crash after started fails the group, not the call [anyio start_crash_after_started_call]",
  function* () {
    const boom = new Error("boom");
    let value: number | undefined;
    const error = yield* caught(
      taskGroup(function* (group) {
        value = yield* group.start<number>(function* (status) {
          status.started(3);
          yield* checkpoint();
          throw boom;
        });
        yield* sleepForever();
      }),
    );
    expect(value).toBe(3);
    expect(error).toBe(boom);
  },
);

each(
  "a child that ends without started is an error at the caller [anyio start_no_started_call]",
  function* () {
    yield* taskGroup(function* (group) {
      const error = yield* caught(
        group.start(function* forgetful() {
          yield* checkpoint();
        }),
      );
      expect(error).toBeInstanceOf(UsageError);
      expect(String(error)).toContain("forgetful");
    });
  },
);

each(
  "cancelling while start waits reaches the child, and its end is awaited [anyio start_cancelled]",
  function* () {
    const steps: string[] = [];
    yield* taskGroup(function* (group) {
      const scope = new CancelScope();
      group.startSoon(function* () {
        yield* waitAllTasksBlocked();
        scope.cancel();
      });
      yield* scope.run(function* () {
        try {
          yield* group.start(function* () {
            try {
              yield* sleepForever();
            } finally {
              yield* shield(checkpoint());
              steps.push("child");
            }
          });
        } finally {
          steps.push("caller");
        }
      });
      expect(scope.cancelledCaught).toBe(true);
    });
    expect(steps).toEqual(["child", "caller"]);
  },
);

each("a shield around start protects the child until started [anyio cancel_shielding_start]", function* () {
  const steps: string[] = [];
  yield* taskGroup(function* (group) {
    const scope = new CancelScope();
    const go = new Event();
    group.startSoon(function* () {
      yield* waitAllTasksBlocked();
      scope.cancel();
      yield* waitAllTasksBlocked();
      go.set();
    });
    yield* scope.run(
      shield(function* () {
        yield* group.start(function* (status) {
          yield* go.wait();
          steps.push("not cancelled");
          status.started();
        });
      }),
    );
  });
  expect(steps).toEqual(["not cancelled"]);
});

each(
  "a group with a pending start stays open though it has no other children [trio nursery_start_keeps_nursery_open]",
  function* () {
    const steps: string[] = [];
    yield* taskGroup(function* (outer) {
      const go = new Event();
      yield* taskGroup(function* (group) {
        outer.startSoon(function* () {
          yield* group.start(function* (status) {
            yield* go.wait();
            status.started();
            yield* checkpoint();
            steps.push("child");
          });
        });
        yield* checkpoint();
        yield* waitAllTasksBlocked();
        outer.startSoon(function* () {
          yield* waitAllTasksBlocked();
          steps.push("go");
          go.set();
        });
      });
      steps.push("group ended");
    });
    expect(steps).toEqual(["go", "child", "group ended"]);
  },
);

each(
  "the child's parent changes from the caller to the group's host at started [anyio start_parent_id]",
  function* () {
    const host = currentTask();
    const parents: (Task<unknown> | undefined)[] = [];
    let caller: Task<unknown> | undefined;
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        caller = currentTask();
        yield* group.start(function* (status) {
          parents.push(currentTask().parent);
          yield* checkpoint();
          status.started();
          parents.push(currentTask().parent);
        });
      });
    });
    expect(parents).toEqual([caller, host]);
  },
);

each("started into a group cancelled meanwhile does not escape that cancellation", function* () {
  let reached = false;
  yield* taskGroup(function* (outer) {
    const go = new Event();
    yield* taskGroup(function* (group) {
      outer.startSoon(function* () {
        yield* group.start(function* (status) {
          yield* shield(go.wait());
          status.started();
          yield* sleepForever();
          reached = true;
        });
      });
      yield* waitAllTasksBlocked();
      group.cancel();
      go.set();
    });
  });
  expect(reached).toBe(false);
});

each("started in a caller that was cancelled does not let the child get away", function* () {
  let escaped: TaskStatus<void> | undefined;
  yield* taskGroup(function* (group) {
    const scope = new CancelScope();
    yield* scope.run(function* () {
      yield* group.start(function* (status) {
        escaped = status;
        scope.cancel();
        status.started();
        yield* sleepForever();
      });
    });
    expect(scope.cancelledCaught).toBe(true);
  });
  expect(escaped?.task.status).toBe("cancelled");
});

each("start in a group that has ended throws", function* () {
  let kept: Parameters<Parameters<typeof taskGroup>[0]>[0] | undefined;
  yield* taskGroup(function* (group) {
    kept = group;
  });
  expect(yield* caught(kept?.start(() => sleep(0)) ?? sleep(0))).toBeInstanceOf(UsageError);
});

each(
  "started inside a scope of the child's own: a group cancelled meanwhile reaches what waits there",
  function* () {
    let reached = false;
    yield* taskGroup(function* (outer) {
      const go = new Event();
      yield* taskGroup(function* (group) {
        outer.startSoon(function* () {
          yield* group.start(function* (status) {
            const scope = new CancelScope();
            yield* scope.run(function* () {
              yield* shield(go.wait());
              status.started();
              yield* sleepForever();
            });
            reached = true;
            yield* checkpoint();
          });
        });
        yield* waitAllTasksBlocked();
        group.cancel();
        go.set();
      });
    });
    expect(reached).toBe(false);
  },
);
