/** Further cases of task groups, from the suites of anyio and trio and from reading the source with bad intent. */
import {
  type Coroutine,
  type Cancelled,
  CancelScope,
  currentTask,
  errorsOf,
  Event,
  isCancelled,
  moveOnAfter,
  shield,
  sleep,
  sleepForever,
  type Task,
  TaskCancelled,
  TaskFailed,
  type TaskGroup,
  taskGroup,
  TaskGroupError,
  UsageError,
} from "@anyloop/core";
import { checkpoint, shieldedCheckpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

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

each("two children that fail in one turn are both reported [trio two_child_crashes]", function* () {
  const a = new Error("a");
  const b = new Error("b");
  const error = yield* caught(
    taskGroup(function* (group) {
      group.startSoon(() => {
        throw a;
      });
      group.startSoon(() => {
        throw b;
      });
    }),
  );
  expect(error).toBeInstanceOf(TaskGroupError);
  expect(new Set(errorsOf(error))).toEqual(new Set([a, b]));
  expect((error as TaskGroupError).cause).toBe((error as TaskGroupError).errors[0]);
});

each("one error object thrown by two children counts once", function* () {
  const same = new Error("same");
  const fail = (): never => {
    throw same;
  };
  const error = yield* caught(
    taskGroup(function* (group) {
      group.startSoon(fail);
      group.startSoon(fail);
    }),
  );
  expect(error).toBe(same);
});

each("an error of a nested group passes outwards as itself [trio nursery_collapse]", function* () {
  const boom = new Error("boom");
  const error = yield* caught(
    taskGroup(function* (outer) {
      outer.startSoon(sleepForever());
      yield* taskGroup(function* (inner) {
        inner.startSoon(sleepForever());
        throw boom;
      });
    }),
  );
  expect(error).toBe(boom);
});

each("strict groups wrap at each level", function* () {
  const boom = new Error("boom");
  const error = yield* caught(
    taskGroup(
      function* () {
        yield* taskGroup(
          () => {
            throw boom;
          },
          { strict: true },
        );
      },
      { strict: true },
    ),
  );
  expect(error).toBeInstanceOf(TaskGroupError);
  expect((error as TaskGroupError).errors[0]).toBeInstanceOf(TaskGroupError);
  expect(errorsOf(error)).toEqual([boom]);
});

each(
  "cancellations beside a real error are removed, whoever they belong to [trio exceptiongroup_filtering]",
  function* () {
    const boom = new Error("boom");
    const outer = new CancelScope();
    const error = yield* caught(
      outer.run(function* () {
        yield* taskGroup(function* (group) {
          group.startSoon(sleepForever());
          group.startSoon(sleepForever());
          group.cancel();
          yield* shield(waitAllTasksBlocked());
          group.startSoon(sleepForever());
          outer.cancel();
          group.startSoon(() => {
            throw boom;
          });
        });
      }),
    );
    expect(error).toBe(boom);
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
              try {
                yield* sleepForever();
              } finally {
                yield* shield(sleep(1));
                record.push("cleaned");
              }
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

each("errors of clean-up are reported after the first, in order", function* () {
  const first = new Error("first");
  const second = new Error("second");
  const error = yield* caught(
    taskGroup(function* (group) {
      group.startSoon(function* () {
        try {
          yield* sleepForever();
        } catch {
          throw second;
        }
      });
      yield* waitAllTasksBlocked();
      throw first;
    }),
  );
  expect(errorsOf(error)).toEqual([first, second]);
});

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

each("a failing daemon fails its group", function* () {
  const boom = new Error("boom");
  const error = yield* caught(
    taskGroup(function* (group) {
      group.startSoon(
        () => {
          throw boom;
        },
        { daemon: true },
      );
      yield* sleepForever();
    }),
  );
  expect(error).toBe(boom);
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

each("the echo of an error through two joiners counts once", function* () {
  const boom = new Error("boom");
  const go = new Event();
  const error = yield* caught(
    taskGroup(function* (group) {
      const a = group.startSoon(function* () {
        yield* go.wait();
        throw boom;
      });
      const b = group.startSoon(shield(a.join()));
      group.startSoon(shield(b.join()));
      yield* waitAllTasksBlocked();
      go.set();
    }),
  );
  expect(error).toBe(boom);
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

each("a frozen error passes groups and tasks as itself", function* () {
  const frozen = Object.freeze(new Error("frozen"));
  const error = yield* caught(
    taskGroup(function* (group) {
      group.startSoon(function* () {
        yield* checkpoint();
        throw frozen;
      });
      yield* sleepForever();
    }),
  );
  expect(error).toBe(frozen);
});

each("anything can be thrown: undefined, a string, null, an object without a prototype", function* () {
  for (const thrown of [undefined, "text", null, Object.create(null) as object]) {
    let error: unknown = "nothing";
    try {
      yield* taskGroup(function* (group) {
        group.startSoon(() => {
          throw thrown;
        });
        yield* sleepForever();
      });
    } catch (other) {
      error = other;
    }
    expect(error).toBe(thrown);
  }
});

each("an error whose message cannot be read does not stop the loop", function* () {
  class Hostile extends Error {
    override get message(): string {
      throw new Error("no message for you");
    }
  }
  const hostile = new Hostile();
  const error = yield* caught(
    taskGroup(function* (group) {
      group.startSoon(function* () {
        yield* checkpoint();
        throw hostile;
      });
      yield* sleepForever();
    }),
  );
  expect(error).toBe(hostile);
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

eachAsync("async style: TaskFailed tells the cause, the group throws it", async () => {
  const boom = new Error("boom");
  let joined: unknown;
  const failing = taskGroup(async (group) => {
    const child = group.startSoon(async () => {
      await checkpoint();
      throw boom;
    });
    try {
      await shield(child.join());
    } catch (error) {
      joined = error;
    }
  });
  await expect(failing).rejects.toBe(boom);
  expect(joined).toBeInstanceOf(TaskFailed);
  expect((joined as TaskFailed).cause).toBe(boom);
});

eachAsync("an operation begun and forgotten in a plain body that gives an operation back", function* () {
  const ended: string[] = [];
  yield* taskGroup(() => {
    void sleep(1).then(
      () => ended.push("begun"),
      () => ended.push("cancelled"),
    );
    return sleep(3);
  });
  expect(ended).toEqual(["begun"]);
});
