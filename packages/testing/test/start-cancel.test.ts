/** `start` and cancellation: of the caller, of the group, of the child. */
import {
  CancelScope,
  type Coroutine,
  Event,
  isCancelled,
  moveOnAfter,
  shield,
  sleepForever,
  type Task,
  taskGroup,
  type TaskGroup,
  type TaskStatus,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync, untilCancelled } from "./each.ts";

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

each("an error elsewhere cancels a pending start [anyio start_cancel_after_error]", function* () {
  const boom = new Error("boom");
  let wentOn = false;
  const error = yield* caught(
    taskGroup(function* (outer) {
      yield* taskGroup(function* (inner) {
        inner.startSoon(function* () {
          yield* waitAllTasksBlocked();
          throw boom;
        });
        yield* outer.start(function* (status: TaskStatus<void>) {
          yield* sleepForever();
          wentOn = true;
          status.started();
        });
      });
    }),
  );
  expect(error).toBe(boom);
  expect(wentOn).toBe(false);
});

each("start in a cancelled scope does not begin [anyio start_cancels_parent_scope]", function* () {
  const inner = new CancelScope();
  yield* taskGroup(function* (group) {
    yield* inner.run(function* () {
      inner.cancel();
      yield* group.start(function* () {
        yield* sleepForever();
      });
    });
    expect(group.scope.cancelCalled).toBe(false);
  });
  expect(inner.cancelledCaught).toBe(true);
});

each(
  "children of a started task are cancelled with the group it moved into [trio start_with_cancelled_nursery]",
  function* () {
    for (const when of ["before", "after"]) {
      let ended = 0;
      const work = function* (): Coroutine<void> {
        try {
          yield* sleepForever();
        } finally {
          ended++;
        }
      };
      yield* taskGroup(function* (outer) {
        const target = yield* outer.start(function* (status: TaskStatus<TaskGroup>) {
          yield* taskGroup(function* (group) {
            status.started(group);
            yield* sleepForever();
          });
        });
        yield* target.start(function* (status: TaskStatus<void>) {
          yield* taskGroup(function* (group) {
            group.startSoon(work);
            group.startSoon(work);
            yield* waitAllTasksBlocked();
            if (when === "before") target.cancel();
            status.started();
          });
        });
        target.cancel();
      });
      expect(ended).toBe(2);
    }
  },
);

each("cancelled in the turn in which started() was called, the value stands", function* () {
  const go = new Event();
  let value: unknown;
  let child: Task<unknown> | undefined;
  yield* taskGroup(function* (group) {
    const caller = group.startSoon(function* () {
      const started = yield* group.startTask(function* (status: TaskStatus<number>) {
        yield* go.wait();
        status.started(5);
        caller.cancel();
        yield* sleepForever();
      });
      ({ value, task: child } = started);
      yield* checkpoint();
    });
    yield* waitAllTasksBlocked();
    go.set();
    yield* caller.wait();
    expect(caller.status).toBe("cancelled");
    expect(value).toBe(5);
    // It belongs to the group: the caller's end is not its own.
    expect(child?.status).toBe("running");
    group.cancel();
  });
});

each("a child's clean-up before started is waited for by its cancelled caller", function* () {
  const record: string[] = [];
  yield* taskGroup(function* (group) {
    yield* moveOnAfter(
      1,
      group.start(function* () {
        yield* untilCancelled(record, 2);
      }),
    );
    record.push("caller");
  });
  expect(record).toEqual(["cleaned", "caller"]);
});

each("a crash in the clean-up of a cancelled start is thrown from start", function* () {
  const boom = new Error("boom");
  const scope = new CancelScope();
  yield* taskGroup(function* (group) {
    const error = yield* caught(
      scope.run(
        group.start(function* () {
          scope.cancel();
          try {
            yield* sleepForever();
          } catch {
            throw boom;
          }
        }),
      ),
    );
    expect(error).toBe(boom);
  });
});

eachAsync("start in async style, cancelled by Promise.race", async () => {
  let ended: unknown;
  await taskGroup(async (group) => {
    await taskGroup(async () => {
      await Promise.race([
        checkpoint(),
        group.start(async () => {
          try {
            await sleepForever();
          } catch (error) {
            ended = error;
            throw error;
          }
        }),
      ]);
    });
    // The body that began it has ended, so it has too.
    expect(isCancelled(ended)).toBe(true);
    expect(group.tasks.size).toBe(0);
  });
});
