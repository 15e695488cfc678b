/** `race` and `any`: the first of several. */
import {
  all,
  allSettled,
  any,
  asCompleted,
  type Coroutine,
  Deferred,
  Event,
  isCancelled,
  map,
  memoryStream,
  moveOnAfter,
  Queue,
  race,
  run,
  Semaphore,
  shield,
  sleep,
  sleepForever,
  taskGroup,
  UsageError,
  use,
} from "@anyloop/core";
import { checkpoint, ParkingLot } from "@anyloop/core/lowlevel";
import { kernel } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

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
  const late = function* (): Coroutine<number> {
    yield* sleep(1);
    return yield* fail("late")();
  };
  const error = yield* caught(any([late, fail("a"), fail("b")]));
  expect(error).toBeInstanceOf(AggregateError);
  const { errors, cause } = error as AggregateError;
  expect(errors.map(String)).toEqual(["Error: late", "Error: a", "Error: b"]);
  expect(cause).toBe(errors[0]);
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

each("two rivals of one race wait for an event, a deferred, a parking lot, a semaphore", function* () {
  const event = new Event();
  const deferred = new Deferred<string>();
  const lot = new ParkingLot();
  const semaphore = new Semaphore(0);
  yield* taskGroup(function* (group) {
    group.startSoon(race([event.wait(), event.wait()]));
    const racer = group.startSoon(race([deferred.wait(), deferred.wait()]));
    group.startSoon(race([lot.park(), lot.park()]));
    group.startSoon(race([semaphore.acquire(), semaphore.acquire()]));
    yield* waitAllTasksBlocked();
    event.set();
    deferred.resolve("x");
    expect(lot.unpark(1)).toBe(1);
    semaphore.release();
    expect(yield* racer.join()).toBe("x");
  });
  expect([event.statistics(), lot.statistics(), semaphore.statistics()]).toEqual(
    Array.from({ length: 3 }, () => ({ tasksWaiting: 0 })),
  );
});

for (const backend of [kernel, native]) {
  test(`race: an item handed over in the turn in which the race is cancelled is not lost [${backend.name}]`, async () => {
    const queue = new Queue<number>();
    const got: number[] = [];
    await run(
      () =>
        taskGroup(function* (group) {
          const racer = group.startSoon(function* () {
            got.push(yield* race([queue.get(), sleepForever()]));
          });
          yield* waitAllTasksBlocked();
          queue.putNowait(1);
          racer.cancel();
        }),
      { backend: backend() },
    );
    expect([...got, queue.size]).toEqual([1, 0]);
  });
}
