/** Task groups: which errors they throw, and in what shape. */
import {
  BrokenResourceError,
  Cancelled,
  CancelScope,
  type Coroutine,
  errorsOf,
  Event,
  memoryStream,
  shield,
  sleepForever,
  TaskFailed,
  taskGroup,
  TaskGroupError,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

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
