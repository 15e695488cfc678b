/** Task groups: what lives in them, and how long. */
import {
  AmbientContextError,
  CancelScope,
  type Coroutine,
  currentTask,
  Event,
  moveOnAfter,
  shield,
  sleep,
  sleepForever,
  type Task,
  type TaskGroup,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync, hasAsyncBodies } from "./each.ts";

each("leaving a group waits for every child [anyio taskgroups::success]", function* () {
  const ended: string[] = [];
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      yield* sleep(4);
      ended.push("slow");
    });
    group.startSoon(function* () {
      yield* checkpoint();
      ended.push("quick");
    });
  });
  expect(ended).toEqual(["quick", "slow"]);
});

if (!hasAsyncBodies) {
  each("without AsyncLocalStorage an async body is refused, with the way out", function* () {
    const error = yield* caught(taskGroup(async () => await Promise.resolve(1)));
    expect(error).toBeInstanceOf(AmbientContextError);
    expect(String(error)).toContain("fromPromise");
  });
}

eachAsync("leaving a group waits for every child, async style", async () => {
  const ended: string[] = [];
  await taskGroup(async (group) => {
    group.startSoon(async () => {
      await sleep(4);
      ended.push("slow");
    });
    group.startSoon(async () => {
      await checkpoint();
      ended.push("quick");
    });
  });
  expect(ended).toEqual(["quick", "slow"]);
});

each(
  "spawning into a group that has ended, or whose body failed, is an error [anyio start_soon_after_error]",
  function* () {
    let kept: TaskGroup | undefined;
    yield* taskGroup(function* (group) {
      kept = group;
    });
    expect(() => kept?.startSoon(sleep(0))).toThrow(UsageError);
    let duringCleanup: unknown;
    yield* caught(
      taskGroup(function* (group) {
        group.startSoon(function* () {
          try {
            yield* sleepForever();
          } finally {
            try {
              group.startSoon(sleep(0));
            } catch (error) {
              duringCleanup = error;
            }
          }
        });
        yield* waitAllTasksBlocked();
        throw new Error("body");
      }),
    );
    expect(duringCleanup).toBeInstanceOf(UsageError);
  },
);

each(
  "an empty group gives others a turn at its end [anyio empty_taskgroup_contains_yield_point]",
  function* () {
    const steps: string[] = [];
    yield* taskGroup(function* (outer) {
      outer.startSoon(function* () {
        steps.push("other");
      });
      yield* taskGroup(function* () {});
      // A seed may draw the host first once, not twice: the other was ready before.
      yield* taskGroup(function* () {});
      steps.push("after");
    });
    expect(steps).toEqual(["other", "after"]);
  },
);

each(
  "a child's parent is the group's host, not who called startSoon [anyio start_soon_parent_id]",
  function* () {
    const host = currentTask();
    let grandchild: Task<unknown> | undefined;
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        grandchild = group.startSoon(sleep(0));
      });
    });
    expect(grandchild?.parent).toBe(host);
  },
);

each("group.tasks are the living children", function* () {
  yield* taskGroup(function* (group) {
    const first = group.startSoon(sleepForever());
    const second = group.startSoon(sleep(0));
    expect([...group.tasks]).toEqual([first, second]);
    yield* second.wait();
    expect([...group.tasks]).toEqual([first]);
    group.cancel();
  });
});

each("startSoon may be called from a plain callback while the group is open", function* () {
  const done = new Event();
  yield* taskGroup(function* (group) {
    setTimeout(() => {
      group.startSoon(function* () {
        done.set();
      });
    }, 0);
    yield* taskGroup(function* (inner) {
      inner.startSoon(done.wait());
      yield* waitAllTasksBlocked();
      while (!done.isSet) yield* waitAllTasksBlocked();
    });
  });
  expect(done.isSet).toBe(true);
});

each("a group has room for a deadline of its own", function* () {
  const started = yield* taskGroup(function* (group) {
    group.scope.deadline = -1;
    yield* sleepForever();
    return "not reached";
  });
  expect(started).toBeUndefined();
});

each("what is no body is refused, and the caller's scopes are as they were", function* () {
  const scope = new CancelScope();
  yield* scope.run(function* () {
    expect(yield* caught(taskGroup(42 as never))).toBeInstanceOf(UsageError);
    expect(yield* caught(new CancelScope().run(42 as never))).toBeInstanceOf(UsageError);
    scope.cancel();
    yield* checkpoint();
  });
  expect(scope.cancelledCaught).toBe(true);
});

each(
  "a task spawned into a cancelled group begins, and sees it at its first operation [trio precancelled_task]",
  function* () {
    const record: string[] = [];
    yield* taskGroup(function* (group) {
      group.cancel();
      group.startSoon(function* () {
        record.push("began");
        yield* checkpoint();
        record.push("went on");
      });
    });
    expect(record).toEqual(["began"]);
  },
);

each("tasks of one turn take turns [trio basic_interleave]", function* () {
  const record: string[] = [];
  const looper = function* (name: string): Coroutine<void> {
    for (let round = 0; round < 3; round++) {
      record.push(`${name}${String(round)}`);
      yield* checkpoint();
    }
  };
  yield* taskGroup(function* (group) {
    group.startSoon(() => looper("a"));
    group.startSoon(() => looper("b"));
  });
  for (let round = 0; round < 3; round++) {
    expect(record.slice(2 * round, 2 * round + 2).sort()).toEqual([`a${String(round)}`, `b${String(round)}`]);
  }
});

each("a daemon's spawning in its clean-up is waited for", function* () {
  const record: string[] = [];
  yield* taskGroup(function* (group) {
    group.startSoon(
      function* () {
        try {
          yield* sleepForever();
        } finally {
          group.startSoon(function* () {
            yield* sleep(1);
            record.push("child of a daemon");
          });
        }
      },
      { daemon: true },
    );
    yield* waitAllTasksBlocked();
  });
  expect(record).toEqual(["child of a daemon"]);
});

each("a daemon that a daemon's clean-up spawns is cancelled as well", function* () {
  const record: string[] = [];
  yield* taskGroup(function* (group) {
    const daemon = function* (): Coroutine<void> {
      try {
        yield* sleepForever();
      } finally {
        record.push("told");
        if (record.length < 3) group.startSoon(daemon, { daemon: true });
      }
    };
    group.startSoon(daemon, { daemon: true });
    yield* waitAllTasksBlocked();
  });
  expect(record).toEqual(["told", "told", "told"]);
});

each("nothing can be started between the end of the last child and the end of the group", function* () {
  let refused: unknown;
  let late: Task<unknown> | undefined;
  let lateEnded = false;
  yield* taskGroup(function* (outer) {
    let inner: TaskGroup | undefined;
    let child: Task<unknown> | undefined;
    const go = new Event();
    outer.startSoon(function* () {
      yield* taskGroup(function* (group) {
        inner = group;
        child = group.startSoon(go.wait());
      });
      // Either it was refused, or the group waited for it.
      expect(late === undefined || late.status !== "running").toBe(true);
      expect(late === undefined || lateEnded).toBe(true);
    });
    yield* waitAllTasksBlocked();
    outer.startSoon(function* () {
      yield* (child as Task<unknown>).wait();
      try {
        late = (inner as TaskGroup).startSoon(function* () {
          for (let turn = 0; turn < 50; turn++) yield* checkpoint();
          lateEnded = true;
        });
      } catch (error) {
        refused = error;
      }
    });
    yield* waitAllTasksBlocked();
    go.set();
  });
  if (late === undefined) expect(refused).toBeInstanceOf(UsageError);
});

each("a reader outside the group sees the end of completed() when the body ends last", function* () {
  let seen = 0;
  yield* taskGroup(function* (outer) {
    yield* taskGroup(function* (inner) {
      const completed = inner.completed();
      outer.startSoon(function* () {
        while ((yield* completed.next()).done !== true) seen++;
      });
      yield* inner.startSoon(checkpoint()).wait();
      yield* waitAllTasksBlocked();
    });
  });
  expect(seen).toBe(1);
});

each("joining a task of another group, after both have ended", function* () {
  let task: Task<number> | undefined;
  yield* taskGroup((group) => {
    task = group.startSoon(() => 7);
  });
  expect(yield* (task as Task<number>).join()).toBe(7);
});

each("a task's name is its function's, or the one given [trio spawn_name]", function* () {
  yield* taskGroup(function* (group) {
    const named = function* namedWork(): Coroutine<string> {
      return currentTask().name;
    };
    expect(yield* group.startSoon(named).join()).toBe("namedWork");
    expect(yield* group.startSoon(named, { name: "given" }).join()).toBe("given");
  });
});

each("a body that is no function is refused and leaves the caller's place as it was", function* () {
  const scope = new CancelScope();
  yield* scope.run(function* () {
    const error = yield* caught(taskGroup(42 as never));
    expect(error).toBeInstanceOf(UsageError);
    scope.cancel();
    yield* checkpoint();
  });
  expect(scope.cancelledCaught).toBe(true);
  // The group's scope must not have stayed entered: a timeout works as ever.
  expect(yield* moveOnAfter(1, sleepForever())).toBe(undefined);
});

eachAsync("an operation begun and forgotten in a plain body that gives an operation back", function* () {
  const ended: string[] = [];
  const done = new Event();
  yield* taskGroup(() => {
    void sleep(1).then(
      () => {
        ended.push("begun");
        done.set();
      },
      () => ended.push("cancelled"),
    );
    return done.wait();
  });
  // What `then` was given is called in a promise job of its own.
  yield* waitAllTasksBlocked();
  expect(ended).toEqual(["begun"]);
});

eachAsync(
  "a task cannot end while a group it opened is open: one begun and forgotten ends with the body [trio nursery_misnest]",
  async () => {
    const steps: string[] = [];
    await taskGroup(async (outer) => {
      const task = outer.startSoon(async () => {
        void taskGroup(async (group) => {
          group.startSoon(async () => {
            try {
              await sleepForever();
            } finally {
              await shield(sleep(1));
              steps.push("child ended");
            }
          });
          await sleepForever();
        }).catch(() => steps.push("group ended"));
        await checkpoint();
        await checkpoint();
      });
      await task.wait();
      steps.push("task ended");
    });
    expect(steps).toEqual(["child ended", "group ended", "task ended"]);
  },
);
