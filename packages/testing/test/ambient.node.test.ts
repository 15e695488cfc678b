/** Which task am I: async bodies, helpers and callbacks, dead frames and ended runs. */
import { waitAllTasksBlocked } from "@anyloop/testing";
import {
  AmbientContextError,
  CancelScope,
  type Coroutine,
  currentTask,
  Event,
  fromPromise,
  isCancelled,
  kernel,
  memoryStream,
  moveOnAfter,
  native,
  NoBackendError,
  now,
  type Operation,
  operation,
  perform,
  run,
  sleep,
  sleepForever,
  TaskCancelled,
  taskGroup,
  UsageError,
} from "anyloop";
import { checkpoint } from "anyloop/lowlevel";
import { AsyncLocalStorage } from "node:async_hooks";
import { expect, test } from "vitest";
import { caught, each, thrownBy } from "./each.ts";

const double: (value: number) => Operation<number> = operation(function* double(
  value: number,
): Coroutine<number> {
  yield* sleep(1);
  return value * 2;
});

test("one library function: from a task of each backend, from plain async code, from a run with a signal", async () => {
  const inTask = function* (): Coroutine<number> {
    return yield* double(2);
  };
  expect(await run(inTask, { backend: kernel() })).toBe(4);
  expect(await run(inTask, { backend: native() })).toBe(4);
  expect(await double(2)).toBe(4);
  expect(await run(double(2), { signal: new AbortController().signal })).toBe(4);
  expect(await Promise.all([double(1), double(2)])).toEqual([2, 4]);
});

test("an operation is lazy, awaited it is performed once, yielded each time", async () => {
  let performed = 0;
  const count = operation(function* count(): Coroutine<number> {
    yield* checkpoint();
    return ++performed;
  });
  const once = count();
  expect(performed).toBe(0);
  expect([await once, await once]).toEqual([1, 1]);
  const again = count();
  await run(function* () {
    expect([yield* again, yield* again]).toEqual([2, 3]);
    yield* taskGroup((group) => {
      group.startSoon(again);
      group.startSoon(again);
    });
  });
  expect(performed).toBe(5);
  await expect(count().finally(() => {})).resolves.toBe(6);
});

test("methods are operations by perform", async () => {
  class Greeter {
    readonly #greeting = "hello";
    greet(name: string): Operation<string> {
      return perform(this, this.#greet, name);
    }
    *#greet(name: string): Coroutine<string> {
      yield* sleep(0);
      return `${this.#greeting} ${name}`;
    }
  }
  expect(await new Greeter().greet("you")).toBe("hello you");
});

each("Promise.all of operations in an async body works and is cancelled with its scope", async () => {
  expect(await Promise.all([double(1), double(2), sleep(1)])).toEqual([2, 4, undefined]);
  const scope = new CancelScope({ timeout: 2 });
  await scope.run(async () => {
    await Promise.all([sleepForever(), sleepForever()]);
  });
  expect(scope.cancelledCaught).toBe(true);
});

each(
  "after Promise.race or a rejected Promise.all the operations still running end with the body",
  async () => {
    const ended: string[] = [];
    const watched = operation(function* watched(name: string): Coroutine<void> {
      try {
        yield* sleepForever();
      } finally {
        ended.push(name);
      }
    });
    await moveOnAfter(10_000, async () => {
      await Promise.race([watched("raced"), sleep(1)]);
    });
    expect(ended).toEqual(["raced"]);
    await moveOnAfter(10_000, async () => {
      await Promise.all([watched("all"), Promise.reject(new Error("x"))]).catch(() => {});
    });
    expect(ended).toEqual(["raced", "all"]);
  },
);

each("an async helper called from a generator task is refused, with the way out", function* () {
  const helper = async (): Promise<void> => {
    await sleep(1);
  };
  const error = yield* caught(fromPromise(helper()));
  expect(error).toBeInstanceOf(AmbientContextError);
  expect(String(error)).toContain("fromPromise(() => helper())");
  yield* fromPromise(() => helper());
});

each(
  "an operation in an async frame that has ended is refused",
  async () => {
    const outcome: { error?: unknown } = {};
    let late: Promise<void> | undefined;
    await taskGroup(async () => {
      late = new Promise((resolve) => {
        setTimeout(() => {
          void sleep(1).then(resolve, (error: unknown) => {
            outcome.error = error;
            resolve();
          });
        }, 1);
      });
    });
    await fromPromise(late as unknown as Promise<void>);
    expect(outcome.error).toBeInstanceOf(AmbientContextError);
  },
  { seeds: 2 },
);

test("where the run has ended, awaiting is being outside", async () => {
  let later: Promise<number> | undefined;
  await run(async () => {
    later = new Promise((resolve) => {
      setTimeout(() => {
        void double(4).then(resolve, () => {});
      }, 5);
    });
    await checkpoint();
  });
  expect(await later).toBe(8);
});

each("a Cancelled of another scope, brought in by awaiting twice, is an error, not silence", async () => {
  const shared = sleepForever();
  await moveOnAfter(1, async () => {
    await shared;
  });
  const error = await thrownBy(
    taskGroup(async () => {
      await shared;
    }),
  );
  expect(error).toBeInstanceOf(TaskCancelled);
  expect(isCancelled((error as Error).cause)).toBe(true);
});

each("the same brought into a scope, and into a task of its own", async () => {
  const shared = sleepForever();
  await moveOnAfter(1, async () => {
    await shared;
  });
  const inScope = await thrownBy(
    new CancelScope().run(async () => {
      await shared;
    }),
  );
  expect(inScope).toBeInstanceOf(TaskCancelled);
  const inTask = await thrownBy(
    taskGroup((group) => {
      group.startSoon(async () => {
        await shared;
      });
    }),
  );
  expect(inTask).toBeInstanceOf(TaskCancelled);
});

each("styles mix at will", function* () {
  const trail: string[] = [];
  yield* taskGroup(async (group) => {
    group.startSoon(function* () {
      yield* moveOnAfter(1, async () => {
        await taskGroup(function* (inner) {
          inner.startSoon(async () => {
            try {
              await sleepForever();
            } finally {
              trail.push("leaf");
            }
          });
          yield* sleepForever();
        });
      });
      trail.push("after");
    });
    await checkpoint();
  });
  expect(trail).toEqual(["leaf", "after"]);
});

each("an operation returned from a body is performed as its last step", function* () {
  expect(yield* taskGroup(() => double(3))).toBe(6);
  const value: unknown = yield* taskGroup(async () => await double(3));
  expect(value).toBe(6);
  const nested: unknown = yield* taskGroup(function* (): Coroutine<unknown> {
    return double(3);
  });
  expect(nested).toBe(6);
});

each("bodies that give back what cannot be performed are a TypeError", function* () {
  expect(yield* caught(taskGroup(() => () => 1))).toBeInstanceOf(TypeError);
  expect(
    yield* caught(
      taskGroup(async function* () {
        yield 1;
      }),
    ),
  ).toBeInstanceOf(TypeError);
});

each("yield without the star is an error that says so", function* () {
  const error = yield* caught(
    taskGroup(function* (): Coroutine<void> {
      yield sleep(1) as never;
    }),
  );
  expect(error).toBeInstanceOf(UsageError);
  expect(String(error)).toContain("yield*");
});

test("an operation iterated outside any task says what to do", () => {
  expect(() => [...(sleep(1) as unknown as Iterable<unknown>)]).toThrow(/await operation/);
});

for (const backend of [kernel, native]) {
  const { name } = backend();

  test(`an aborted run rejects with the reason after everything in it has ended [${name}]`, async () => {
    const controller = new AbortController();
    const steps: string[] = [];
    const reason = new Error("enough");
    const running = run(
      function* () {
        try {
          yield* sleepForever();
        } finally {
          steps.push("ended");
        }
      },
      { signal: controller.signal, backend: backend() },
    );
    setTimeout(() => controller.abort(reason), 2);
    expect(await thrownBy(running)).toBe(reason);
    expect(steps).toEqual(["ended"]);
    expect(await thrownBy(run(sleep(1), { signal: controller.signal, backend: backend() }))).toBe(reason);
  });

  test(`other people's AsyncLocalStorage is kept [${name}]`, async () => {
    const request = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const [send, receive] = memoryStream<number>();
    await Promise.all(
      ["a", "b"].map((id) =>
        request.run(id, () =>
          run(
            function* () {
              yield* sleep(1);
              seen.push(request.getStore());
              yield* id === "a" ? send.send(1) : receive.receive();
              seen.push(request.getStore());
              yield* taskGroup(async () => {
                await sleep(1);
                seen.push(request.getStore());
              });
            },
            { backend: backend() },
          ),
        ),
      ),
    );
    expect(seen.toSorted()).toEqual(["a", "a", "a", "b", "b", "b"]);
  });

  test(`asyncContext "task" keeps the context of each startSoon [${name}]`, async () => {
    const request = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    await run(
      function* () {
        yield* taskGroup(function* (group) {
          for (const id of ["x", "y"]) {
            request.run(id, () =>
              group.startSoon(function* () {
                yield* sleep(1);
                seen.push(request.getStore());
              }),
            );
          }
          yield* checkpoint();
          seen.push(request.getStore());
        });
      },
      { backend: backend(), asyncContext: "task" },
    );
    expect(new Set(seen)).toEqual(new Set([undefined, "x", "y"]));
  });

  test(`run inside a run is independent [${name}]`, async () => {
    const value = await run(
      function* () {
        return yield* fromPromise(run(double(5), { backend: backend() }));
      },
      { backend: backend() },
    );
    expect(value).toBe(10);
  });

  test(`calls from foreign callbacks are FIFO and cannot starve tasks [${name}]`, async () => {
    const order: number[] = [];
    await run(
      function* () {
        const events = [new Event(), new Event(), new Event()];
        yield* taskGroup(function* (group) {
          for (const [index, event] of events.entries()) {
            group.startSoon(function* () {
              yield* event.wait();
              order.push(index);
            });
          }
          yield* waitAllTasksBlocked();
          setTimeout(() => {
            for (const index of [1, 2, 0]) events[index]?.set();
          }, 0);
        });
        let spinning = true;
        const spin = (): void => {
          if (spinning) setTimeout(spin, 0);
        };
        spin();
        for (let turn = 0; turn < 1000; turn++) yield* checkpoint();
        spinning = false;
      },
      { backend: backend() },
    );
    expect(order).toEqual([1, 2, 0]);
  });
}

test("a backend that does not exist is refused, with what to do", async () => {
  const error = await thrownBy(run(sleep(1), { backend: "kernel" as never }));
  expect(error).toBeInstanceOf(UsageError);
  expect(String(error)).toContain("kernel()");
  expect(new NoBackendError().message).toContain("anyloop");
  for (const option of ["clock", "seed", "deadlock"]) {
    expect(() => native({ [option]: 1 })).toThrow(/kernel/);
  }
  expect(() => kernel({ seed: 1.5 })).toThrow(/whole number/);
});

test("outside a run now() works and the current task throws", () => {
  expect(now()).toBeGreaterThan(0);
  expect(() => currentTask()).toThrow(UsageError);
});
