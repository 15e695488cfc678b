/** Further cases of `start`, from trio and anyio and from races. */
import {
  type Cancelled,
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
  type TaskGroup,
  taskGroup,
  type TaskStatus,
  UsageError,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

each("started need not give a value [anyio start_no_value]", function* () {
  yield* taskGroup(function* (group) {
    const value: unknown = yield* group.start(function* (status: TaskStatus<void>) {
      status.started();
      yield* checkpoint();
    });
    expect(value).toBe(undefined);
  });
});

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

each("two pending starts at once, one of which crashes", function* () {
  const boom = new Error("boom");
  const values: unknown[] = [];
  yield* taskGroup(function* (callers) {
    yield* taskGroup(function* (group) {
      callers.startSoon(function* () {
        values.push(
          yield* group.start(function* (status: TaskStatus<string>) {
            yield* sleep(1);
            status.started("good");
          }),
        );
      });
      callers.startSoon(function* () {
        values.push(
          yield* caught(
            group.start(function* () {
              yield* sleep(2);
              throw boom;
            }),
          ),
        );
      });
      yield* waitAllTasksBlocked();
    });
  });
  expect(new Set(values)).toEqual(new Set(["good", boom]));
});

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

each("a child cancelled by its handle before started: the caller is told, the group unharmed", function* () {
  yield* taskGroup(function* (group) {
    const error = yield* caught(
      group.start(function* (status: TaskStatus<void>) {
        status.task.cancel("no");
        yield* sleepForever();
      }),
    );
    expect(error).toBeInstanceOf(TaskCancelled);
    expect(((error as TaskCancelled).cause as Cancelled).reason).toBe("no");
    expect(group.scope.cancelCalled).toBe(false);
    yield* checkpoint();
  });
});

each("a child's clean-up before started is waited for by its cancelled caller", function* () {
  const record: string[] = [];
  yield* taskGroup(function* (group) {
    yield* moveOnAfter(
      1,
      group.start(function* () {
        try {
          yield* sleepForever();
        } finally {
          yield* shield(sleep(2));
          record.push("cleaned");
        }
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

each("started() after the child has ended is an error", function* () {
  let kept: TaskStatus<void> | undefined;
  yield* taskGroup(function* (group) {
    yield* caught(
      group.start((status: TaskStatus<void>) => {
        kept = status;
      }),
    );
    expect(() => kept?.started()).toThrow(UsageError);
  });
});

eachAsync("started() may be called from a plain callback", function* () {
  yield* taskGroup(function* (group) {
    const value = yield* group.start(async (status: TaskStatus<string>) => {
      setTimeout(() => status.started("called"), 0);
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
    });
    expect(value).toBe("called");
  });
});

each("start of what is no body is refused, and does not hold the group open", function* () {
  yield* taskGroup(function* (group) {
    expect(yield* caught(group.start(42 as never))).toBeInstanceOf(UsageError);
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

each("a group that a start is pending in can be started into by that child's parent", function* () {
  const record: string[] = [];
  yield* taskGroup(function* (outer) {
    let inner: TaskGroup | undefined;
    outer.startSoon(function* () {
      yield* taskGroup(function* (group) {
        inner = group;
        outer.startSoon(
          group.start(function* (status: TaskStatus<void>) {
            yield* sleep(1);
            status.started();
            yield* sleep(1);
            group.startSoon(function* () {
              yield* sleep(1);
              record.push("grandchild");
            });
          }),
        );
        yield* waitAllTasksBlocked();
      });
      record.push("inner ended");
    });
    yield* checkpoint();
    expect(inner?.tasks.size ?? 0).toBe(0);
  });
  expect(record).toEqual(["grandchild", "inner ended"]);
});

each("a start performed just as an empty group ends is refused, or holds it open", function* () {
  const record: string[] = [];
  yield* taskGroup(function* (outer) {
    yield* taskGroup((group) => {
      outer.startSoon(function* () {
        try {
          yield* group.start(function* (status: TaskStatus<void>) {
            yield* sleep(1);
            status.started();
            yield* sleep(1);
            record.push("child ended");
          });
          record.push("started");
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
          record.push("refused", "child ended");
        }
      });
    });
    record.push("group ended");
    yield* sleep(10);
  });
  if (!record.includes("refused")) expect(record.at(-1)).toBe("group ended");
});
