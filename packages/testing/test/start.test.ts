/** `start`: what it gives, and who is told when it fails. */
import {
  type Cancelled,
  currentTask,
  sleep,
  sleepForever,
  type Task,
  TaskCancelled,
  taskGroup,
  type TaskGroup,
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

each("start in a group that has ended throws", function* () {
  let kept: Parameters<Parameters<typeof taskGroup>[0]>[0] | undefined;
  yield* taskGroup(function* (group) {
    kept = group;
  });
  expect(yield* caught(kept?.start(() => sleep(0)) ?? sleep(0))).toBeInstanceOf(UsageError);
});

each("started need not give a value [anyio start_no_value]", function* () {
  yield* taskGroup(function* (group) {
    const value: unknown = yield* group.start(function* (status: TaskStatus<void>) {
      status.started();
      yield* checkpoint();
    });
    expect(value).toBe(undefined);
  });
});

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
