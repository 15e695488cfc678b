/** The contract of task handles, joining and order of completion. */
import type { Cancelled } from "@anyloop/core";
import {
  all,
  allSettled,
  any,
  asCompleted,
  type Coroutine,
  currentTask,
  Event,
  isCancelled,
  map,
  Queue,
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

each(
  "race: the others are cancelled and have ended before the result is given [curio task_any_cancel]",
  function* () {
    const steps: string[] = [];
    const value = yield* race([
      function* () {
        try {
          yield* sleepForever();
        } finally {
          yield* shield(checkpoint());
          steps.push("loser ended");
        }
      },
      function* () {
        yield* waitAllTasksBlocked();
        return "winner";
      },
    ]);
    steps.push(String(value));
    expect(steps).toEqual(["loser ended", "winner"]);
  },
);

each("race: of operations given directly only one completes", function* () {
  const left = new Queue<number>();
  const right = new Queue<number>();
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      yield* waitAllTasksBlocked();
      left.putNowait(1);
      right.putNowait(2);
    });
    expect(yield* race([left.get(), right.get()])).toBe(1);
  });
  expect([left.size, right.size]).toEqual([0, 1]);
});

each("race: of operations that are ready at once only one completes", function* () {
  const queues = [new Queue<number>(), new Queue<number>()];
  for (const queue of queues) queue.putNowait(1);
  yield* race(queues.map((queue) => queue.get()));
  expect(queues.reduce((sum, queue) => sum + queue.size, 0)).toBe(1);
});

each("race: a loser's real error is thrown instead of the value", function* () {
  const boom = new Error("boom");
  const error = yield* caught(
    race([
      function* () {
        try {
          yield* sleepForever();
        } finally {
          // oxlint-disable-next-line no-unsafe-finally -- a clean-up that fails is what is tested
          throw boom;
        }
      },
      function* () {
        yield* waitAllTasksBlocked();
        return 1;
      },
    ]),
  );
  expect(error).toBe(boom);
});

each("race and any of nothing throw at once", function* () {
  expect(() => race([])).toThrow(UsageError);
  expect(() => any([])).toThrow(UsageError);
});

each("any gives the first success, and all errors if there is none", function* () {
  const fail = (message: string) =>
    function* (): Coroutine<number> {
      yield* checkpoint();
      throw new Error(message);
    };
  const succeed = function* (): Coroutine<number> {
    yield* sleep(1);
    return 1;
  };
  expect(yield* any([fail("a"), succeed])).toBe(1);
  const error = yield* caught(any([fail("a"), fail("b")]));
  expect(error).toBeInstanceOf(AggregateError);
  expect((error as AggregateError).errors.map(String).sort()).toEqual(["Error: a", "Error: b"]);
});

each("all keeps the order of the arguments [anyio gather_results_in_order]", function* () {
  const results = yield* all([
    function* () {
      yield* sleep(3);
      return "slow";
    },
    function* () {
      yield* sleep(1);
      return 2;
    },
    sleep(2),
  ]);
  expect(results).toEqual(["slow", 2, undefined]);
  expect(yield* all([])).toEqual([]);
});

each("allSettled tells of each", function* () {
  const boom = new Error("boom");
  const results = yield* allSettled([
    function* () {
      return 1;
    },
    () => {
      throw boom;
    },
  ]);
  expect(results).toEqual([
    { status: "fulfilled", value: 1 },
    { status: "rejected", reason: boom },
  ]);
});

eachAsync("any, all and allSettled take async bodies", async () => {
  const boom = new Error("boom");
  const fail = async (): Promise<number> => {
    await checkpoint();
    throw boom;
  };
  const succeed = async (): Promise<number> => {
    await sleep(1);
    return 1;
  };
  expect(await any([fail, succeed])).toBe(1);
  expect(await all([succeed, sleep(2), succeed])).toEqual([1, undefined, 1]);
  expect(await allSettled([succeed, fail])).toEqual([
    { status: "fulfilled", value: 1 },
    { status: "rejected", reason: boom },
  ]);
});

each("map keeps order and limit", function* () {
  let running = 0;
  let most = 0;
  const results = yield* map(
    [3, 1, 2],
    function* (item, index) {
      most = Math.max(most, ++running);
      yield* sleep(item);
      running--;
      return [item, index];
    },
    { limit: 2 },
  );
  expect(results).toEqual([
    [3, 0],
    [1, 1],
    [2, 2],
  ]);
  expect(most).toBe(2);
  expect(() => map([], () => 1, { limit: 0 })).toThrow(UsageError);
});

each("map pulls from async iterables, and closes them when the work fails", function* () {
  let closed = false;
  async function* numbers(): AsyncGenerator<number> {
    try {
      for (let item = 0; ; item++) yield await Promise.resolve(item);
    } finally {
      closed = true;
    }
  }
  const error = yield* caught(
    map(
      numbers(),
      (item) => {
        if (item === 3) throw new Error("three");
        return item;
      },
      { limit: 1 },
    ),
  );
  expect(String(error)).toBe("Error: three");
  yield* waitAllTasksBlocked();
  expect(closed).toBe(true);
});

each("asCompleted gives results in order of completion and cancels the rest", function* () {
  let cancelled = false;
  const order = yield* asCompleted(
    [
      function* () {
        yield* sleep(4);
        return "second";
      },
      function* () {
        yield* sleep(1);
        return "first";
      },
      function* () {
        try {
          yield* sleepForever();
        } finally {
          cancelled = true;
        }
        return "never";
      },
    ],
    function* (results) {
      return [yield* results.receive(), yield* results.receive()];
    },
  );
  expect(order).toEqual(["first", "second"]);
  expect(cancelled).toBe(true);
});

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
