/** Further cases of all, allSettled, race, any, map, asCompleted and use. */
import {
  all,
  allSettled,
  any,
  asCompleted,
  type Coroutine,
  Deferred,
  errorsOf,
  Event,
  forEach,
  isCancelled,
  map,
  memoryStream,
  moveOnAfter,
  Queue,
  race,
  shield,
  sleep,
  sleepForever,
  TaskGroupError,
  taskGroup,
  UsageError,
  use,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

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

each("cancelled from outside they throw the cancellation, not a result", function* () {
  const works = [
    (): unknown => all([sleepForever()]),
    (): unknown => allSettled([sleepForever()]),
    (): unknown => race([sleepForever(), sleepForever()]),
    (): unknown => any([sleepForever(), sleepForever()]),
    (): unknown => map([1, 2], () => sleepForever()),
    (): unknown => asCompleted([sleepForever()], (results) => results.receive()),
    (): unknown => use(memoryStream<number>()[0], () => sleepForever()),
  ];
  for (const work of works) {
    let thrown: unknown;
    yield* moveOnAfter(1, function* () {
      try {
        yield* work() as ReturnType<typeof sleep>;
      } catch (error) {
        thrown = error;
        throw error;
      }
    });
    expect(isCancelled(thrown)).toBe(true);
  }
});

each("race: the first failure is thrown, the others have ended", function* () {
  const boom = new Error("boom");
  const deferred = new Deferred<number>();
  const ended: string[] = [];
  yield* taskGroup(function* (group) {
    const racer = group.startSoon(function* () {
      return yield* caught(
        race([
          deferred.wait(),
          function* () {
            try {
              yield* sleepForever();
            } finally {
              ended.push("loser");
            }
          },
        ]),
      );
    });
    yield* waitAllTasksBlocked();
    deferred.reject(boom);
    expect(yield* racer.join()).toBe(boom);
  });
  expect(ended).toEqual(["loser"]);
});

each("race: inside a race, of operations given directly", function* () {
  const queues = [new Queue<number>(), new Queue<number>(), new Queue<number>()] as const;
  yield* taskGroup(function* (group) {
    const racer = group.startSoon(race([queues[0].get(), race([queues[1].get(), queues[2].get()])]));
    yield* waitAllTasksBlocked();
    queues[1].putNowait(1);
    queues[2].putNowait(2);
    expect(yield* racer.join()).toBe(1);
    expect(queues[2].size).toBe(1);
  });
});

eachAsync("race: a single contestant, an iterable, one that is ready", function* () {
  expect(yield* race([async () => 1])).toBe(1);
  expect(yield* race(new Set([async () => 2]))).toBe(2);
  const event = new Event();
  event.set();
  yield* race([sleepForever(), event.wait()]);
});

each("any: failures are passed over until a success; a cancelled loser's error says nothing", function* () {
  const value = yield* any([
    () => {
      throw new Error("a");
    },
    function* () {
      yield* sleep(1);
      return "good";
    },
    function* () {
      try {
        yield* sleepForever();
      } catch {
        throw new Error("late");
      }
    },
  ]);
  expect(value).toBe("good");
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

each("use: opened by an operation, closed by whatever it has, in the order of preference", function* () {
  const record: string[] = [];
  const resource = {
    close: () => {
      record.push("close");
    },
    [Symbol.dispose]: () => {
      record.push("dispose");
    },
  };
  yield* use(resource, () => {
    record.push("body");
  });
  yield* use({ [Symbol.dispose]: resource[Symbol.dispose] }, () => {});
  yield* use({ ...resource, [Symbol.asyncDispose]: () => sleep(1) as PromiseLike<void> }, () => {});
  expect(record).toEqual(["body", "close", "dispose"]);
});

each("use: a promise that closes is waited for though all is cancelled", function* () {
  let closed = false;
  yield* moveOnAfter(
    0,
    use(
      {
        async close(): Promise<void> {
          await new Promise((resolve) => setTimeout(resolve, 1));
          closed = true;
        },
      },
      () => sleepForever(),
    ),
  );
  expect(closed).toBe(true);
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
