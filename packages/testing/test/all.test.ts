/** `all`, `allSettled`, `map` and `asCompleted`: the results of many. */
import {
  all,
  allSettled,
  any,
  asCompleted,
  type Coroutine,
  currentTask,
  errorsOf,
  forEach,
  map,
  moveOnAfter,
  shield,
  sleep,
  sleepForever,
  taskGroup,
  TaskGroupError,
  UsageError,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

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

eachAsync("all: a record keeps its keys, nothing gives nothing", function* () {
  expect(yield* all({ a: async () => 1, b: sleep(1) })).toEqual({ a: 1, b: undefined });
  expect(yield* all([])).toEqual([]);
  expect(yield* allSettled([])).toEqual([]);
});

each("all: the first failure cancels the rest, whose clean-up is waited for", function* () {
  const boom = new Error("boom");
  let cleaned = false;
  const error = yield* caught(
    all([
      function* () {
        yield* checkpoint();
        throw boom;
      },
      function* () {
        try {
          yield* sleepForever();
        } finally {
          yield* shield(sleep(1));
          cleaned = true;
        }
      },
    ]),
  );
  expect(error).toBe(boom);
  expect(cleaned).toBe(true);
});

each("all: two failures are a TaskGroupError", function* () {
  const fail = (message: string) => (): never => {
    throw new Error(message);
  };
  const error = yield* caught(all([fail("a"), fail("b")]));
  expect(error).toBeInstanceOf(TaskGroupError);
  expect(errorsOf(error).length).toBe(2);
});

each("map: a limit is kept, items are pulled only when there is room, indices are given", function* () {
  let pulled = 0;
  let running = 0;
  const items = function* (): Generator<string> {
    for (const item of ["a", "b", "c", "d"]) {
      pulled++;
      yield item;
    }
  };
  const result = yield* map(
    items(),
    function* (item, index) {
      expect(++running).toBeLessThanOrEqual(2);
      expect(pulled).toBeLessThanOrEqual(index + 2);
      yield* sleep(1);
      running--;
      return `${item}${String(index)}`;
    },
    { limit: 2 },
  );
  expect(result).toEqual(["a0", "b1", "c2", "d3"]);
  expect(() => map([], () => 1, { limit: 0 })).toThrow(UsageError);
});

each("map: a failing iterator fails the map", function* () {
  const boom = new Error("boom");
  const items = function* (): Generator<number> {
    yield 1;
    throw boom;
  };
  expect(yield* caught(map(items(), () => sleepForever()))).toBe(boom);
});

each("map: an async iterator has been closed when map is over", function* () {
  let closed = false;
  const items = async function* (): AsyncGenerator<number> {
    try {
      for (let item = 0; ; item++) yield item;
    } finally {
      await new Promise((resolve) => setTimeout(resolve, 1));
      closed = true;
    }
  };
  const boom = new Error("boom");
  const error = yield* caught(
    map(
      items(),
      () => {
        throw boom;
      },
      { limit: 1 },
    ),
  );
  expect(error).toBe(boom);
  expect(closed).toBe(true);
});

each("map: an iterator that gives thenables of its own", function* () {
  const values = [1, 2];
  const items = {
    [Symbol.asyncIterator]() {
      let calls = 0;
      return {
        next(): PromiseLike<IteratorResult<number, undefined>> {
          if (++calls > 10) throw new Error("taken for an item again and again");
          const value = values.shift();
          const result =
            value === undefined ? { done: true as const, value: undefined } : { done: false as const, value };
          return { then: (...args) => Promise.resolve(result).then(...args) };
        },
      };
    },
  } as unknown as AsyncIterable<number>;
  expect(yield* map(items, (item) => item)).toEqual([1, 2]);
});

eachAsync("asCompleted: an empty list ends at once; a body may stop early", function* () {
  const got: unknown[] = [];
  yield* asCompleted([], (results) =>
    forEach(results, (result) => {
      got.push(result);
    }),
  );
  expect(got).toEqual([]);
  const first = yield* asCompleted([sleepForever(), async () => 1], (results) => results.receive());
  expect(first).toBe(1);
});

each("asCompleted: an error of a cancelled work's clean-up is not lost", function* () {
  const first = new Error("first");
  const second = new Error("second");
  const error = yield* caught(
    asCompleted(
      [
        function* () {
          yield* sleep(1);
          throw first;
        },
        function* () {
          try {
            yield* sleepForever();
          } catch {
            throw second;
          }
        },
      ],
      (results) => forEach(results, () => {}),
    ),
  );
  expect(new Set(errorsOf(error))).toEqual(new Set([first, second]));
});

each(
  "deep recursion of operations and groups does not overflow",
  function* () {
    const deep = function* (depth: number): Coroutine<number> {
      if (depth === 0) return 0;
      return 1 + (yield* taskGroup(() => deep(depth - 1)));
    };
    expect(yield* deep(500)).toBe(500);
  },
  { seeds: 2 },
);

eachAsync(
  "map: an async generator may perform operations, in what it gives and in its clean-up",
  function* () {
    const steps: string[] = [];
    const items = async function* (): AsyncGenerator<number> {
      const task = currentTask();
      try {
        for (let item = 1; item < 4; item++) {
          await sleep(1);
          expect(currentTask()).toBe(task);
          yield item;
        }
        await sleepForever();
      } finally {
        await shield(sleep(1));
        steps.push("closed");
      }
    };
    const seen: number[] = [];
    yield* moveOnAfter(
      50,
      map(items(), (item) => void seen.push(item), { limit: 1 }),
    );
    expect(seen).toEqual([1, 2, 3]);
    expect(steps).toEqual(["closed"]);

    const boom = new Error("boom");
    const failing = map(
      items(),
      () => {
        throw boom;
      },
      { limit: 1 },
    );
    expect(yield* caught(failing)).toBe(boom);
    expect(steps).toEqual(["closed", "closed"]);
  },
);
