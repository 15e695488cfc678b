/** Task handles, joining, and the order of completion. */
import {
  type Cancelled,
  currentTask,
  Event,
  isCancelled,
  race,
  shield,
  sleep,
  sleepForever,
  type Task,
  TaskCancelled,
  TaskFailed,
  taskGroup,
  TaskNotFinished,
  UsageError,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

each("joining gives the value [anyio TestCreateTask.return_value]", function* () {
  yield* taskGroup(function* (group) {
    const task = group.startSoon(function* work() {
      yield* checkpoint();
      return 7;
    });
    expect(task.status).toBe("pending");
    expect(task.name).toBe("work");
    expect(() => task.value).toThrow(TaskNotFinished);
    expect(yield* task.join()).toBe(7);
    expect([task.status, task.value, task.error]).toEqual(["finished", 7, undefined]);
  });
});

each(
  "joining a failed task throws TaskFailed with the cause, and the group fails [anyio TestCreateTask.exception]",
  function* () {
    const boom = new Error("boom");
    let joined: unknown;
    let task: Task<void> | undefined;
    const error = yield* caught(
      taskGroup(function* (outer) {
        const opened = new Event();
        outer.startSoon(function* () {
          yield* opened.wait();
          joined = yield* caught((task as Task<void>).join());
        });
        yield* taskGroup(function* (group) {
          task = group.startSoon(function* () {
            yield* waitAllTasksBlocked();
            throw boom;
          });
          opened.set();
        });
      }),
    );
    expect(error).toBe(boom);
    expect(task?.status).toBe("failed");
    // The joiner was resumed before the group heard of the error and cancelled it.
    expect(joined).toBeInstanceOf(TaskFailed);
    expect((joined as Error).cause).toBe(boom);
  },
);

each("wait never throws the task's error", function* () {
  const boom = new Error("boom");
  let waited = false;
  yield* caught(
    taskGroup(function* (group) {
      const task = group.startSoon(function* () {
        yield* checkpoint();
        throw boom;
      });
      yield* shield(task.wait());
      waited = task.error === boom;
    }),
  );
  expect(waited).toBe(true);
});

each(
  "cancelling one handle ends that task only; joining says TaskCancelled [anyio TestCreateTask.cancel]",
  function* () {
    yield* taskGroup(function* (group) {
      const doomed = group.startSoon(sleepForever());
      const other = group.startSoon(function* () {
        yield* waitAllTasksBlocked();
        return "done";
      });
      yield* checkpoint();
      doomed.cancel("why");
      expect(doomed.status).toBe("cancelling");
      expect(yield* caught(doomed.join())).toBeInstanceOf(TaskCancelled);
      expect(doomed.status).toBe("cancelled");
      expect((doomed.error as Cancelled).reason).toBe("why");
      expect(yield* other.join()).toBe("done");
    });
  },
);

each("cancelling a finished task does nothing [curio late_join]", function* () {
  yield* taskGroup(function* (group) {
    const task = group.startSoon(() => 1);
    yield* task.wait();
    task.cancel();
    expect(task.status).toBe("finished");
    expect(yield* task.join()).toBe(1);
  });
});

each("cancelling a task also reaches what it waits for in scopes of its own", function* () {
  yield* taskGroup(function* (group) {
    const task = group.startSoon(function* () {
      yield* taskGroup(function* (inner) {
        inner.startSoon(sleepForever());
      });
    });
    yield* waitAllTasksBlocked();
    task.cancel();
    yield* task.wait();
    expect(task.status).toBe("cancelled");
  });
});

each("completed yields tasks in order of completion [curio task_group_iter]", function* () {
  const order: string[] = [];
  yield* taskGroup(function* (group) {
    const gates = [new Event(), new Event(), new Event()];
    for (const [index, gate] of gates.entries()) {
      group.startSoon(
        function* () {
          yield* gate.wait();
        },
        { name: `task ${String(index)}` },
      );
    }
    const completed = group.completed();
    for (const index of [2, 0, 1]) {
      gates[index]?.set();
      order.push((yield* completed.receive()).name);
    }
    expect((yield* completed.next()).done).toBe(true);
  });
  expect(order).toEqual(["task 2", "task 0", "task 1"]);
});

eachAsync("completed can be read with for await", async () => {
  const values: unknown[] = [];
  await taskGroup(async (group) => {
    const completed = group.completed();
    group.startSoon(() => 1);
    for await (const task of completed) values.push(task.value);
  });
  expect(values).toEqual([1]);
});

each("the cancellation by a failed child reaches the reader of completed first", function* () {
  const boom = new Error("boom");
  let seen: unknown;
  const error = yield* caught(
    taskGroup(function* (group) {
      group.startSoon(function* () {
        yield* checkpoint();
        throw boom;
      });
      seen = yield* caught(group.completed().receive());
      throw seen;
    }),
  );
  expect(error).toBe(boom);
  expect(isCancelled(seen)).toBe(true);
});

each(
  "daemon children don't hold the group open and are cancelled at its end [curio task_group_daemon]",
  function* () {
    let daemon: Task<never> | undefined;
    const steps: string[] = [];
    yield* taskGroup(function* (group) {
      daemon = group.startSoon(sleepForever(), { daemon: true });
      group.startSoon(function* () {
        yield* waitAllTasksBlocked();
        steps.push("child");
      });
    });
    expect(daemon?.status).toBe("cancelled");
    expect(steps).toEqual(["child"]);
  },
);

each("a task cannot join itself", function* () {
  expect(yield* caught(currentTask().join())).toBeInstanceOf(UsageError);
});

each("a cancelled join leaves nothing registered and can be done again", function* () {
  yield* taskGroup(function* (group) {
    const gate = new Event();
    const task = group.startSoon(gate.wait());
    const joiner = group.startSoon(task.join());
    yield* waitAllTasksBlocked();
    joiner.cancel();
    yield* joiner.wait();
    gate.set();
    yield* task.join();
    expect(joiner.status).toBe("cancelled");
  });
});

each(
  "a reader of completed that is not the body waits as long as the body may still start tasks",
  function* () {
    const names: string[] = [];
    let ended = false;
    yield* taskGroup(function* (group) {
      const completed = group.completed();
      group.startSoon(
        function* () {
          for (;;) {
            const next = yield* completed.next();
            if (next.done === true) break;
            names.push(next.value.name);
          }
          ended = true;
          yield* sleepForever();
        },
        { daemon: true },
      );
      yield* waitAllTasksBlocked();
      expect(ended).toBe(false);
      group.startSoon(sleep(0), { name: "late" });
      yield* waitAllTasksBlocked();
      expect([ended, ...names]).toEqual([false, "late"]);
      group.startSoon(waitAllTasksBlocked(), { name: "last" });
    });
    expect(names).toEqual(["late", "last"]);
  },
);

each("one operation object may be waited for by several tasks at once", function* () {
  const gate = new Event();
  const wait = gate.wait();
  const passed: number[] = [];
  yield* taskGroup(function* (group) {
    for (let index = 0; index < 3; index++) {
      group.startSoon(function* () {
        yield* wait;
        passed.push(index);
      });
    }
    yield* waitAllTasksBlocked();
    expect(gate.statistics().tasksWaiting).toBe(3);
    gate.set();
  });
  expect(passed.sort()).toEqual([0, 1, 2]);
});

each("two rivals of one race join the same task", function* () {
  const go = new Event();
  yield* taskGroup(function* (group) {
    const task = group.startSoon(function* () {
      yield* go.wait();
      return 5;
    });
    const racer = group.startSoon(race([task.join(), task.join()]));
    yield* waitAllTasksBlocked();
    go.set();
    expect(yield* racer.join()).toBe(5);
  });
});

eachAsync("a task cannot join itself, async style", async () => {
  await expect(currentTask().join()).rejects.toThrow(UsageError);
});
