/** The contract of task groups. Brackets name the suite a case comes from. */
import {
  AmbientContextError,
  type Coroutine,
  BrokenResourceError,
  Cancelled,
  CancelScope,
  currentTask,
  errorsOf,
  Event,
  memoryStream,
  moveOnAfter,
  shield,
  sleep,
  sleepForever,
  type Task,
  type TaskGroup,
  taskGroup,
  TaskGroupError,
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

each("a failing child cancels the blocked body [anyio failing_child_task_cancels_host]", function* () {
  const boom = new Error("boom");
  let bodyError: unknown;
  const error = yield* caught(
    taskGroup(function* (group) {
      group.startSoon(function* () {
        yield* checkpoint();
        throw boom;
      });
      try {
        yield* sleepForever();
      } catch (thrown) {
        bodyError = thrown;
        throw thrown;
      }
    }),
  );
  expect(error).toBe(boom);
  expect(bodyError).toBeInstanceOf(Cancelled);
});

eachAsync("a failing child cancels the blocked body, async style", async () => {
  const boom = new Error("boom");
  let bodyError: unknown;
  const failing = taskGroup(async (group) => {
    group.startSoon(async () => {
      await checkpoint();
      throw boom;
    });
    await sleepForever().catch((error: unknown) => {
      bodyError = error;
      throw error;
    });
  });
  await expect(failing).rejects.toBe(boom);
  expect(bodyError).toBeInstanceOf(Cancelled);
});

each(
  "a failing body cancels the children and its error is thrown [anyio failing_host_task_cancels_children]",
  function* () {
    const boom = new Error("body");
    let childError: unknown;
    const error = yield* caught(
      taskGroup(function* (group) {
        group.startSoon(function* () {
          try {
            yield* sleepForever();
          } catch (thrown) {
            childError = thrown;
            throw thrown;
          }
        });
        yield* waitAllTasksBlocked();
        throw boom;
      }),
    );
    expect(error).toBe(boom);
    expect(childError).toBeInstanceOf(Cancelled);
  },
);

each(
  "a failing child cancels its siblings, whose cleanup runs before the group ends [anyio exception_cancels_siblings]",
  function* () {
    const steps: string[] = [];
    yield* caught(
      taskGroup(function* (group) {
        group.startSoon(function* () {
          try {
            yield* sleepForever();
          } finally {
            yield* shield(sleep(2));
            steps.push("cleaned");
          }
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

each("a single error is thrown as the same object; strict wraps it [trio child_crash_basic]", function* () {
  const boom = new Error("boom");
  const fail = function* (): Coroutine<void> {
    throw boom;
  };
  expect(yield* caught(taskGroup((group) => void group.startSoon(fail)))).toBe(boom);
  const strict = yield* caught(taskGroup((group) => void group.startSoon(fail), { strict: true }));
  expect(strict).toBeInstanceOf(TaskGroupError);
  expect((strict as TaskGroupError).errors).toEqual([boom]);
  expect(errorsOf(strict)).toEqual(errorsOf(boom));
});

each("body and child fail: both are reported [trio main_and_task_both_crash]", function* () {
  const one = new Error("one");
  const two = new Error("two");
  const error = yield* caught(
    taskGroup(function* (group) {
      group.startSoon(function* () {
        try {
          yield* sleepForever();
        } finally {
          // oxlint-disable-next-line no-unsafe-finally -- a clean-up that fails is what is tested
          throw two;
        }
      });
      yield* waitAllTasksBlocked();
      throw one;
    }),
  );
  expect(error).toBeInstanceOf(TaskGroupError);
  expect((error as TaskGroupError).errors).toEqual([one, two]);
  expect((error as TaskGroupError).cause).toBe(one);
});

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
  "cancelled while it waits at its end, a group cancels the children and waits for them [anyio cancel_exiting_task_group]",
  function* () {
    const steps: string[] = [];
    yield* taskGroup(function* (outer) {
      outer.startSoon(function* () {
        yield* taskGroup(function* (inner) {
          inner.startSoon(function* () {
            try {
              yield* sleepForever();
            } finally {
              yield* shield(sleep(1));
              steps.push("cleaned");
            }
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

each("an error of a child counts once, though a joiner throws it again", function* () {
  const boom = new Error("boom");
  const error = yield* caught(
    taskGroup(function* (group) {
      const failing = group.startSoon(function* () {
        yield* checkpoint();
        throw boom;
      });
      group.startSoon(function* () {
        yield* failing.join();
      });
    }),
  );
  expect(error).toBe(boom);
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

each("an error in one group leaves another task's stream broken, not hanging", function* () {
  const [send, receive] = memoryStream<number>();
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      expect(yield* caught(send.send(1))).toBeInstanceOf(BrokenResourceError);
    });
    yield* waitAllTasksBlocked();
    yield* receive.close();
  });
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
