/** `cancelEverywhere`: an operation that leaves something behind, wherever it is cancelled, is found and told. */
import {
  type Coroutine,
  DeadlockError,
  Event,
  fromPromise,
  InternalError,
  isCancelled,
  Lock,
  memoryStream,
  Queue,
  shield,
  sleep,
  sleepForever,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { checkpoint, suspend } from "@anyloop/core/lowlevel";
import { cancelEverywhere, replay, RunawayError, ScheduleFailure } from "@anyloop/testing";
import { expect, test } from "vitest";
import { hasAsyncBodies, thrownBy } from "./each.ts";

async function failureOf(promise: Promise<unknown>): Promise<ScheduleFailure> {
  const failure = await thrownBy(promise);
  expect(failure).toBeInstanceOf(ScheduleFailure);
  return failure as ScheduleFailure;
}

test("every checkpoint is cancelled once, and the last run not at all", async () => {
  const reached: number[] = [];
  const { cancelled } = await cancelEverywhere(function* () {
    let steps = 0;
    try {
      for (; steps < 3; steps++) yield* checkpoint();
    } finally {
      reached.push(steps);
    }
  });
  expect(new Set(reached)).toEqual(new Set([0, 1, 2, 3]));
  // The dry run, one run for each moment and the one that was not cancelled.
  expect(reached).toHaveLength(cancelled + 2);
});

test("a lock leaked on cancel is found by check, told, and repeated", async () => {
  let lock = new Lock();
  function* careless(): Coroutine<void> {
    lock = new Lock();
    const held = yield* lock.acquire();
    yield* sleep(1);
    held.release();
  }
  const check = (): void => {
    if (lock.locked) throw new Error("the lock is left locked");
  };
  const failure = await failureOf(cancelEverywhere(careless, { check }));
  expect(failure.cause).toHaveProperty("message", "the lock is left locked");
  expect(failure.message).toMatch(/^Cancelled at its checkpoint \d+ the body failed/);
  expect(failure.schedule).toMatch(/^s1 all /);
  expect(await failureOf(replay(careless, failure.schedule, { check }))).toHaveProperty(
    "trace",
    failure.trace,
  );
});

test("a check may be an operation or an async function", async () => {
  let performed = 0;
  await cancelEverywhere(sleep(1), {
    *check() {
      yield* sleep(0);
      performed++;
    },
  });
  expect(performed).toBeGreaterThan(2);
});

test("clean-up that needs somebody who was cancelled as well waits for ever, and is found", async () => {
  const failure = await failureOf(
    cancelEverywhere(function* () {
      const [send, receive] = memoryStream<string>();
      yield* taskGroup(function* (group) {
        group.startSoon(receive.receive());
        try {
          yield* checkpoint();
        } finally {
          yield* shield(send.send("goodbye"));
        }
      });
    }),
  );
  expect(failure.cause).toBeInstanceOf(DeadlockError);
});

test("an error instead of the cancellation is found", async () => {
  const failure = await failureOf(
    cancelEverywhere(function* () {
      let file: { close(): void } | undefined;
      try {
        yield* sleep(1);
        file = { close() {} };
        yield* sleep(1);
      } finally {
        (file as { close(): void }).close();
      }
    }),
  );
  expect(failure.cause).toBeInstanceOf(TypeError);
});

test("a loop that swallows its cancellation is found", async () => {
  const failure = await failureOf(
    cancelEverywhere(
      function* () {
        for (let tries = 0; tries < 3;) {
          try {
            yield* sleep(1);
            tries++;
          } catch {
            // Tries again.
          }
        }
      },
      { steps: 500 },
    ),
  );
  expect(failure.cause).toBeInstanceOf(RunawayError);
});

test("an abort function that throws is found", async () => {
  const failure = await failureOf(
    cancelEverywhere(() =>
      suspend(() => () => {
        throw new Error("no");
      }),
    ),
  );
  expect(failure.cause).toBeInstanceOf(InternalError);
});

test("what waits for ever has had its last checkpoint, but must be able to be cancelled", async () => {
  expect((await cancelEverywhere(sleepForever())).cancelled).toBeGreaterThan(0);
  expect((await cancelEverywhere(() => new Event().wait())).cancelled).toBeGreaterThan(0);
  expect((await failureOf(cancelEverywhere(() => shield(sleepForever())))).cause).toBeInstanceOf(
    DeadlockError,
  );
});

test("waiting for a promise can be cancelled like anything else, and is taken back", async () => {
  const { cancelled } = await cancelEverywhere(() =>
    fromPromise(
      new Promise<void>((resolve) => {
        setTimeout(resolve, 2);
      }),
    ),
  );
  expect(cancelled).toBeGreaterThan(1);
});

test("only the victim is cancelled if there is one, and what comes after it is performed", async () => {
  let ends = 0;
  const lost: number[] = [];
  await cancelEverywhere(function* (victim) {
    const queue = new Queue<number>();
    const got: number[] = [];
    yield* taskGroup(function* (group) {
      group.startSoon(
        victim(function* () {
          for (let count = 0; count < 2; count++) got.push(yield* queue.get());
        }),
      );
      yield* queue.put(1);
      yield* checkpoint();
      yield* queue.put(2);
    });
    lost.push(2 - got.length - queue.size);
    ends++;
  });
  expect(ends).toBeGreaterThan(3);
  expect(new Set(lost)).toEqual(new Set([0]));
});

test("a body that never waits has nothing to be cancelled at, a failing one fails at once", async () => {
  await cancelEverywhere(() => {});
  const failure = await failureOf(
    cancelEverywhere(() => {
      throw new Error("broken");
    }),
  );
  expect(failure.cause).toHaveProperty("message", "broken");
});

test("a failure is repeated by the line that it prints: with the check that found it, and as many steps", async () => {
  let isOpen = false;
  const leaves = function* leaves(): Coroutine<void> {
    isOpen = true;
    yield* sleep(1);
    isOpen = false;
  };
  const check = (): void => {
    if (isOpen) throw new Error("left open");
  };
  const failure = await failureOf(cancelEverywhere(leaves, { check, steps: 500 }));
  expect(failure.message).toContain('await replay(body, "s1 all 0:1", { check, steps: 500 });');
  expect(failure.trace.split("\n")[0]).toBe("   1   leaves#1      takes a step");
  await replay(leaves, failure.schedule);
  const again = await failureOf(replay(leaves, failure.schedule, { check, steps: 500 }));
  expect(again.trace).toBe(failure.trace);
});

test("bad options are refused", async () => {
  expect(await thrownBy(cancelEverywhere(sleep(1), { steps: -1 }))).toBeInstanceOf(UsageError);
  expect(await thrownBy(cancelEverywhere(undefined as never))).toBeInstanceOf(UsageError);
});

const testAsync = hasAsyncBodies ? test : test.skip;

testAsync(`async bodies alike${hasAsyncBodies ? "" : " [needs AsyncLocalStorage]"}`, async () => {
  const outcomes: string[] = [];
  await cancelEverywhere(async () => {
    let steps = 0;
    try {
      for (; steps < 2; steps++) await checkpoint();
      outcomes.push("whole");
    } catch (error) {
      outcomes.push(isCancelled(error) ? `cancelled at ${String(steps)}` : "failed");
      throw error;
    }
  });
  expect(new Set(outcomes)).toEqual(new Set(["cancelled at 0", "cancelled at 1", "whole"]));
});
