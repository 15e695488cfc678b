/** What only the kernel has: virtual time, seeds, a host of one's own, the deadlock report. */
import {
  DeadlockError,
  Event,
  fromPromise,
  Lock,
  memoryStream,
  moveOnAfter,
  now,
  run,
  shield,
  sleep,
  sleepForever,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { checkpoint, suspend } from "@anyloop/core/lowlevel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Host, kernel, type KernelOptions, VirtualClock } from "@anyloop/kernel";

async function thrownBy(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
}

/** Async bodies are refused where nothing tells them apart, as in browsers. */
const hasAsyncBodies = "AsyncContext" in globalThis || "getBuiltinModule" in (globalThis.process ?? {});
const testAsync = (name: string, perform: () => Promise<void>): void => {
  if (hasAsyncBodies) test(name, perform);
  else test.skip(`${name} [needs AsyncLocalStorage]`);
};

test("a thousand virtual seconds take no time, and timers keep their order", async () => {
  const started = performance.now();
  const order: string[] = [];
  const clock = new VirtualClock();
  await run(
    function* () {
      yield* taskGroup(function* (group) {
        for (const seconds of [500, 1000, 1, 1]) {
          group.startSoon(function* () {
            yield* sleep(seconds * 1000);
            order.push(`${String(seconds)} at ${String(now())}`);
          });
        }
      });
    },
    { backend: kernel({ clock }) },
  );
  expect(order).toEqual(["1 at 1000", "1 at 1000", "500 at 500000", "1000 at 1000000"]);
  expect(clock.now()).toBe(1_000_000);
  expect(performance.now() - started).toBeLessThan(2000);
});

test("virtual time stands still while a foreign promise is under way", async () => {
  await run(
    function* () {
      yield* taskGroup(function* (group) {
        group.startSoon(sleep(5));
        yield* fromPromise(new Promise((resolve) => setTimeout(resolve, 15)));
        expect(now()).toBe(0);
      });
      expect(now()).toBe(5);
    },
    { backend: kernel({ clock: new VirtualClock() }) },
  );
});

testAsync("virtual time stands still while an async body is under way", async () => {
  await run(
    function* () {
      yield* taskGroup(function* (group) {
        group.startSoon(sleep(5));
        group.startSoon(async () => {
          await new Promise((resolve) => {
            setTimeout(resolve, 15);
          });
          expect(now()).toBe(0);
        });
      });
      expect(now()).toBe(5);
    },
    { backend: kernel({ clock: new VirtualClock() }) },
  );
});

test("without autojump the clock moves by hand", async () => {
  const clock = new VirtualClock({ autojump: false });
  let done = false;
  const running = run(sleep(100), { backend: kernel({ clock }) }).then(() => (done = true));
  await new Promise((resolve) => {
    setTimeout(resolve, 10);
  });
  expect(done).toBe(false);
  clock.jump(100);
  await running;
  expect(() => clock.jump(-1)).toThrow(UsageError);
});

test("what a seed shuffles is repeated by the same seed, and differs between seeds", async () => {
  const schedule = async (seed: number): Promise<string> => {
    const order: number[] = [];
    await run(
      () =>
        taskGroup((group) => {
          for (let task = 0; task < 6; task++) {
            group.startSoon(function* () {
              for (let step = 0; step < 3; step++) {
                order.push(task);
                yield* checkpoint();
              }
            });
          }
        }),
      { backend: kernel({ seed }) },
    );
    return order.join("");
  };
  expect(await schedule(1)).toBe(await schedule(1));
  const schedules = new Set(await Promise.all([1, 2, 3, 4, 5].map(schedule)));
  expect(schedules.size).toBeGreaterThan(1);
});

test("timers fire in order of their deadlines, whatever was added and cancelled [property]", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.boolean()), { maxLength: 60 }),
      async (plan) => {
        const fired: number[] = [];
        await run(
          () =>
            taskGroup(function* (group) {
              const tasks = plan.map(([time]) =>
                group.startSoon(function* () {
                  yield* sleep(time);
                  fired.push(time);
                }),
              );
              yield* checkpoint();
              for (const [index, [, cancel]] of plan.entries()) if (cancel) tasks[index]?.cancel();
            }),
          { backend: kernel({ clock: new VirtualClock() }) },
        );
        const kept = plan.filter(([, cancel]) => !cancel).map(([time]) => time);
        expect(fired).toEqual(kept.toSorted((a, b) => a - b));
      },
    ),
    { numRuns: 50 },
  );
});

test("two tasks that hold each other's lock: the report names both, what they wait for and where", async () => {
  const error = await thrownBy(
    run(
      function* main() {
        const left = new Lock();
        const right = new Lock();
        yield* taskGroup(function* (group) {
          group.startSoon(function* leftFirst() {
            yield* left.acquire();
            yield* sleep(1);
            yield* right.acquire();
          });
          group.startSoon(function* rightFirst() {
            yield* right.acquire();
            yield* sleep(1);
            yield* left.acquire();
          });
        });
      },
      { backend: kernel({ clock: new VirtualClock() }) },
    ),
  );
  expect(error).toBeInstanceOf(DeadlockError);
  const { message } = error as Error;
  for (const name of ["main", "leftFirst", "rightFirst"]) expect(message).toContain(`${name} (task`);
  expect(message.match(/waits for a lock/g)).toHaveLength(2);
  // Browsers put a query between the file and the line.
  expect(message.match(/at leftFirst .*kernel\.test\.ts(\?\S*)?:\d+/)).not.toBeNull();
});

testAsync("a receive that nobody answers is a deadlock, async style; finally blocks run", async () => {
  let cleaned = false;
  const error = await thrownBy(
    run(
      async () => {
        const [, receive] = memoryStream<number>();
        const [sendTo] = memoryStream<number>();
        try {
          await Promise.all([receive.receive(), sendTo.send(1), memoryStream<number>()[1].receive()]);
        } catch (failure) {
          cleaned = true;
          throw failure;
        }
      },
      { backend: kernel({ clock: new VirtualClock() }) },
    ),
  );
  expect(error).toBeInstanceOf(Error);
  expect(cleaned).toBe(true);
});

test("what cannot even be cancelled ends in a DeadlockError all the same", async () => {
  const backend = kernel({ clock: new VirtualClock() });
  expect(
    await thrownBy(
      run(
        suspend(() => {}),
        { backend },
      ),
    ),
  ).toBeInstanceOf(DeadlockError);
  expect(
    await thrownBy(
      run(
        function* () {
          try {
            yield* sleepForever();
          } finally {
            yield* shield(new Event().wait());
          }
        },
        { backend },
      ),
    ),
  ).toBeInstanceOf(DeadlockError);
});

test("a host of one's own drives the kernel by hand", async () => {
  let time = 0;
  const host: Host = {
    now: () => time,
    soon: () => {},
    turn: () => {},
    timer: () => () => {},
  };
  const guest = kernel({ host });
  const steps: number[] = [];
  const running = run(
    function* () {
      yield* sleep(10);
      steps.push(now());
    },
    { backend: guest },
  );
  expect(guest.nextDeadline()).toBe(-Infinity);
  guest.tick();
  expect(guest.nextDeadline()).toBe(10);
  time = 9;
  guest.tick();
  expect(steps).toEqual([]);
  time = 10;
  guest.tick();
  await running;
  expect(steps).toEqual([10]);
  expect(guest.nextDeadline()).toBe(Infinity);
});

test("a clock serves one kernel", () => {
  const clock = new VirtualClock();
  kernel({ clock });
  expect(() => kernel({ clock })).toThrow(UsageError);
});

test("instruments see what happens; one that throws is removed and the run goes on", async () => {
  const seen: string[] = [];
  const report = console.error;
  console.error = (message: string) => seen.push(message);
  try {
    await run(
      () =>
        taskGroup((group) => {
          group.startSoon(() => {}, { name: "child" });
        }),
      {
        name: "watched",
        backend: kernel({
          instruments: [
            {
              runStarted: (info) => seen.push(`run ${info.name}`),
              taskSpawned: (task) => seen.push(`spawned ${task.name}`),
              taskExited: (task) => seen.push(`exited ${task.name}`),
              runFinished: () => seen.push("finished"),
            },
            {
              beforeStep: () => {
                throw new Error("bad instrument");
              },
            },
          ],
        }),
      },
    );
  } finally {
    console.error = report;
  }
  expect(seen).toEqual([
    "run watched",
    "spawned watched",
    "An instrument threw in beforeStep and was removed:",
    "spawned child",
    "exited child",
    "exited watched",
    "finished",
  ]);
});

test("what comes due in a jump of the clock is seen at the next checkpoint [trio yield_briefly_checks_for_timeout]", async () => {
  for (const seed of [undefined, 1, 2]) {
    const clock = new VirtualClock({ autojump: false });
    const steps: string[] = [];
    await run(
      function* () {
        const reached = yield* moveOnAfter(5, function* () {
          yield* checkpoint();
          clock.jump(10);
          yield* checkpoint();
          return "too late";
        });
        steps.push(String(reached));
        const woken = yield* moveOnAfter(5, function* () {
          clock.jump(4);
          yield* checkpoint();
          return "in time";
        });
        steps.push(String(woken));
      },
      { backend: kernel({ clock, seed }) },
    );
    expect(steps).toEqual(["undefined", "in time"]);
  }
});

test("options that cannot be are refused", () => {
  const bad: KernelOptions[] = [
    { seed: 1.5 },
    { seed: Number.NaN },
    { sliceMs: -1 },
    { sliceMs: Number.NaN },
    { deadlock: "report" as "throw" },
  ];
  for (const options of bad) {
    expect(() => kernel(options), JSON.stringify(options)).toThrow(UsageError);
  }
});
