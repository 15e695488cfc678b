/** The schedule explorer: which schedules it tries, and what it says of them. */
import {
  all,
  type Coroutine,
  Event,
  fromPromise,
  type Held,
  moveOnAfter,
  now,
  Semaphore,
  shield,
  sleep,
  sleepForever,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { checkpoint, shieldedCheckpoint } from "@anyloop/core/lowlevel";
import { explore, type ExploreOptions, replay, RunawayError, ScheduleFailure } from "@anyloop/testing";
import { expect, test } from "vitest";
import { hasAsyncBodies, thrownBy } from "./each.ts";

const strategies: readonly ExploreOptions[] = [
  { strategy: "random" },
  { strategy: "priorities" },
  { strategy: "exhaustive" },
];

/** Two tasks of two steps each; in which order did they take them? */
function* twoByTwo(orders: Set<string>): Coroutine<void> {
  let order = "";
  function* steps(name: string): Coroutine<void> {
    order += name;
    yield* checkpoint();
    order += name;
  }
  yield* all([() => steps("a"), () => steps("b")]);
  orders.add(order);
}

const allOrders = ["aabb", "abab", "abba", "baab", "baba", "bbaa"];

test.each(strategies)("every order of two tasks of two steps comes up: $strategy", async (options) => {
  const orders = new Set<string>();
  const { complete } = await explore(() => twoByTwo(orders), { ...options, runs: 300 });
  expect([...orders].sort()).toEqual(allOrders);
  expect(complete).toBe(options.strategy === "exhaustive");
});

test("the same seed tries the same schedules, another seed others", async () => {
  const tried = async (seed: number): Promise<string> => {
    const orders: string[] = [];
    await explore(
      function* () {
        const order = new Set<string>();
        yield* twoByTwo(order);
        orders.push(...order);
      },
      { seed, runs: 20 },
    );
    return orders.join(" ");
  };
  expect(await tried(1)).toBe(await tried(1));
  expect(await tried(1)).not.toBe(await tried(2));
});

test("an operation that completes at once is a place where others may come in between", async () => {
  const orders = new Set<string>();
  await explore(
    function* () {
      const free = new Semaphore(9);
      let order = "";
      function* steps(name: string): Coroutine<void> {
        order += name;
        yield* free.acquire();
        order += name;
      }
      yield* all([() => steps("a"), () => steps("b")]);
      orders.add(order);
    },
    { strategy: "exhaustive" },
  );
  expect([...orders].sort()).toEqual(allOrders);
});

test("what two timers at the same time set off comes in either order, each timer in its own turn", async () => {
  const orders = new Set<string>();
  await explore(
    function* () {
      const order: string[] = [];
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* sleep(10);
          order.push("slept");
        });
        order.push((yield* moveOnAfter(10, sleepForever())) === undefined ? "timed out" : "");
      });
      orders.add(order.join(", "));
      expect(now()).toBe(10);
    },
    { strategy: "exhaustive" },
  );
  expect([...orders].sort()).toEqual(["slept, timed out", "timed out, slept"]);
});

test("of an operation and a deadline at the same time the operation usually comes first, but not always", async () => {
  const results: string[] = [];
  const body = function* (): Coroutine<void> {
    const done = yield* moveOnAfter(10, function* () {
      yield* sleep(10);
      return "done in time";
    });
    results.push(done ?? "too late");
  };
  await replay(body, "s1");
  expect(results).toEqual(["done in time"]);
  await explore(body, { strategy: "exhaustive" });
  expect(results).toContain("too late");
});

function* twoSteps(): Coroutine<string> {
  yield* checkpoint();
  yield* checkpoint();
  return "done";
}

test("time stands still while somebody is ready, unless the host may stall", async () => {
  const seen = async (stallMs: number): Promise<string[]> => {
    const results = new Set<string>();
    await explore(
      function* () {
        results.add((yield* moveOnAfter(10, twoSteps)) ?? "too late");
      },
      { stallMs, strategy: "exhaustive" },
    );
    return [...results].sort();
  };
  expect(await seen(0)).toEqual(["done"]);
  expect(await seen(9)).toEqual(["done"]);
  expect(await seen(10)).toEqual(["done", "too late"]);
  expect(await seen(Infinity)).toEqual(["done", "too late"]);
});

test("a schedule carries the conditions under which it was found", async () => {
  function* hurried(): Coroutine<void> {
    if ((yield* moveOnAfter(10, twoSteps)) === undefined) throw new Error("too late");
  }
  const failure = (await thrownBy(explore(hurried, { stallMs: 1e21 }))) as ScheduleFailure;
  expect(failure.schedule).toContain("stall=1e+21 ");
  expect(await thrownBy(replay(hurried, failure.schedule))).toBeInstanceOf(ScheduleFailure);
});

test("the victim is cancelled at every moment, or not at all, and once", async () => {
  const results = new Set<string>();
  await explore(
    function* (victim) {
      let steps = 0;
      const result = yield* victim(function* () {
        try {
          yield* checkpoint();
          steps++;
          yield* sleep(5);
          steps++;
          return "whole";
        } finally {
          yield* shield(sleep(5));
          steps += 10;
        }
      });
      results.add(`${String(steps)} ${String(result)}`);
    },
    { strategy: "exhaustive" },
  );
  // Cancelled after its last operation it is whole: there is nothing left to stop.
  expect([...results].sort()).toEqual(["10 undefined", "11 undefined", "12 whole"]);
});

test("without failure it says how many schedules were tried", async () => {
  expect(await explore(sleep(1), { runs: 7 })).toEqual({ runs: 7, complete: false });
  expect(await explore(sleep(1), { strategy: "exhaustive" })).toEqual({ runs: 1, complete: true });
});

test("a run that goes round in circles is told, and stopped even if it swallows that", async () => {
  function* stubborn(): Coroutine<void> {
    for (;;) {
      try {
        yield* checkpoint();
      } catch {
        // Goes on.
      }
    }
  }
  const failure = (await thrownBy(explore(stubborn, { steps: 500 }))) as ScheduleFailure;
  expect(failure.cause).toBeInstanceOf(RunawayError);
  expect(failure.trace.split("\n").length).toBeLessThan(10);
});

test("the trace of a long run is told from both ends", async () => {
  function* forEver(): Coroutine<void> {
    for (;;) yield* checkpoint();
  }
  const { trace } = (await thrownBy(explore(() => all([forEver, forEver])))) as ScheduleFailure;
  expect(trace.split("\n")).toHaveLength(201);
  expect(trace).toContain("lines more");
});

test.each(strategies)("waiting in a loop for another task is no endless run: $strategy", async (options) => {
  await explore(
    function* () {
      const done = new Event();
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* checkpoint();
          done.set();
        });
        while (!done.isSet) yield* checkpoint();
      });
    },
    { ...options, runs: 200 },
  );
});

test("an error that does not come again under the same schedule is told all the same", async () => {
  let runs = 0;
  const failure = (await thrownBy(
    explore(function* () {
      yield* checkpoint();
      if (++runs === 3) throw new Error("the third run fails");
    }),
  )) as ScheduleFailure;
  expect(failure.message).toContain("the third run fails");
  expect(failure.message).toContain("did not fail again");
});

test("another error is another bug: shrinking does not change over to it", async () => {
  class RareError extends Error {
    override readonly name = "RareError";
  }
  function* body(): Coroutine<void> {
    let order = "";
    function* steps(name: string): Coroutine<void> {
      order += name;
      yield* checkpoint();
      order += name;
    }
    yield* all([() => steps("a"), () => steps("b"), () => steps("c")]);
    if (order === "abbacc") throw new RareError("two departures from the usual order");
    if (order === "abcacb") throw new Error("one departure");
  }
  const found = new Set<string>();
  for (let seed = 1; seed <= 20; seed++) {
    const { cause, message } = (await thrownBy(explore(body, { seed }))) as ScheduleFailure;
    found.add((cause as Error).name);
    expect(message.split("\n", 1)[0]).toContain(String(cause));
  }
  expect([...found].sort()).toEqual(["Error", "RareError"]);
});

test("foreign promises are waited for, in the host's own time", async () => {
  const results = new Set<number>();
  await explore(
    function* () {
      const event = new Event();
      let passed = 0;
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* event.wait();
          passed = now();
        });
        group.startSoon(sleep(5));
        yield* fromPromise(
          new Promise<void>((resolve) => {
            setTimeout(resolve, 2);
          }),
        );
        event.set();
      });
      results.add(passed);
    },
    { runs: 20 },
  );
  // The host owed a wake-up, so time stood still.
  expect([...results]).toEqual([0]);
});

test("it may be used inside a run, and does not disturb it", async () => {
  const found = await thrownBy(
    explore(function* () {
      yield* fromPromise(explore(sleepForever()));
    }),
  );
  expect((found as ScheduleFailure).cause).toBeInstanceOf(ScheduleFailure);
});

test("bad options and schedules are refused with a sentence", async () => {
  const body = function* (): Coroutine<void> {
    yield* checkpoint();
  };
  const attempts = [
    () => explore(body, { runs: 0 }),
    () => explore(body, { runs: 1.5 }),
    () => explore(body, { seed: Number.NaN }),
    () => explore(body, { stallMs: -1 }),
    () => explore(body, { stallMs: Number.NaN }),
    () => explore(body, { steps: 0 }),
    () => explore(body, { strategy: "best" as never }),
    () => explore(7 as never),
    () => replay(body, undefined as never),
    () => replay(body, ""),
    () => replay(body, "s2 1:1"),
    () => replay(body, "s1 one"),
    () => replay(body, "s1 4:1"),
    () => replay(body, "s1 0:7"),
  ];
  for (const attempted of attempts) expect(await thrownBy(attempted())).toBeInstanceOf(UsageError);
});

const testAsync = hasAsyncBodies ? test : test.skip;
const inAsyncStyle = hasAsyncBodies ? "" : " [needs AsyncLocalStorage]";

testAsync(`async bodies are explored alike${inAsyncStyle}`, async () => {
  const orders = new Set<string>();
  await explore(
    async () => {
      let order = "";
      const steps = async (name: string): Promise<void> => {
        order += name;
        await checkpoint();
        order += name;
      };
      await all([() => steps("a"), () => steps("b")]);
      orders.add(order);
    },
    { runs: 300 },
  );
  expect([...orders].sort()).toEqual(allOrders);
});

testAsync(`a race in async style is found and repeated${inAsyncStyle}`, async () => {
  const body = async (): Promise<void> => {
    const audit = new Semaphore(2);
    let balance = 10;
    const withdraw = async (): Promise<void> => {
      if (balance < 10) return;
      const held: Held = await audit.acquire();
      held.release();
      balance -= 10;
    };
    await Promise.all([taskGroup((group) => void group.startSoon(withdraw)), withdraw()]);
    if (balance < 0) throw new Error("overdrawn");
  };
  const failure = (await thrownBy(explore(body))) as ScheduleFailure;
  expect(failure.cause).toHaveProperty("message", "overdrawn");
  expect(await thrownBy(replay(body, failure.schedule))).toHaveProperty("trace", failure.trace);
});

test("cleaning up under a shield goes on after the cancellation", async () => {
  await explore(function* (victim) {
    let cleaned = 0;
    yield* victim(function* () {
      try {
        yield* sleep(5);
      } finally {
        yield* shield(function* () {
          yield* shieldedCheckpoint();
          yield* sleep(5);
          cleaned++;
        });
      }
    });
    // Cancelled before it has begun, there is nothing to clean up.
    expect(cleaned).toBeLessThanOrEqual(1);
  });
});
