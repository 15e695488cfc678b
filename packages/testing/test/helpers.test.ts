/** Sequencer, checkpoint assertions and the report of open tasks. */
import {
  BrokenResourceError,
  type Coroutine,
  currentTask,
  Event,
  Lock,
  moveOnAfter,
  Queue,
  run,
  shield,
  sleep,
  sleepForever,
  type Task,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { kernel, VirtualClock } from "@anyloop/kernel";
import {
  assertCheckpoints,
  assertNoCheckpoints,
  cancelEverywhere,
  CheckpointError,
  explore,
  openTaskReport,
  Sequencer,
  waitAllTasksBlocked,
} from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

each("pieces of several tasks come in the order laid down [trio test_Sequencer]", function* () {
  const sequencer = new Sequencer();
  const record: string[] = [];
  function* piece(name: string): Coroutine<void> {
    record.push(name);
    yield* checkpoint();
    record.push(`${name} done`);
  }
  function* worker(name: string, positions: readonly number[]): Coroutine<void> {
    for (const position of positions) {
      yield* sequencer.at(position, () => piece(`${name}${String(position)}`));
      yield* checkpoint();
    }
  }
  yield* taskGroup((group) => {
    group.startSoon(() => worker("b", [2, 3]));
    group.startSoon(() => worker("a", [0, 4]));
    group.startSoon(() => worker("c", [1]));
  });
  expect(record).toEqual(["a0", "c1", "b2", "b3", "a4"].flatMap((name) => [name, `${name} done`]));
});

each("a position gives what its work gives, and lets the next go on even if it fails", function* () {
  const sequencer = new Sequencer();
  expect(yield* sequencer.at(0, () => 7)).toBe(7);
  expect(yield* sequencer.at(1)).toBeUndefined();
  const failing = sequencer.at(2, function* () {
    yield* checkpoint();
    throw new Error("broken");
  });
  expect(yield* caught(failing)).toHaveProperty("message", "broken");
  yield* sequencer.at(3, sleep(0));
});

each("a position is used once and is a whole number [trio test_Sequencer]", function* () {
  const sequencer = new Sequencer();
  yield* sequencer.at(0);
  for (const position of [0, -1, 0.5, Number.NaN])
    expect(yield* caught(sequencer.at(position))).toBeInstanceOf(UsageError);
});

each(
  "one that is cancelled before its turn breaks the sequence for all [trio test_Sequencer_cancel]",
  function* () {
    const sequencer = new Sequencer();
    const errors: unknown[] = [];
    yield* taskGroup(function* (group) {
      const second = group.startSoon(sequencer.at(1));
      group.startSoon(function* () {
        errors.push(yield* caught(sequencer.at(2)));
      });
      yield* waitAllTasksBlocked();
      second.cancel();
    });
    errors.push(yield* caught(sequencer.at(3)));
    expect(errors).toEqual([expect.any(BrokenResourceError), expect.any(BrokenResourceError)]);
  },
);

test("a Sequencer survives every schedule and every cancellation", async () => {
  await explore(function* () {
    const sequencer = new Sequencer();
    const order: number[] = [];
    function* at(position: number): Coroutine<void> {
      yield* sequencer.at(position, function* () {
        yield* checkpoint();
        order.push(position);
      });
    }
    yield* taskGroup((group) => {
      for (const position of [2, 0, 1]) group.startSoon(() => at(position));
    });
    expect(order).toEqual([0, 1, 2]);
  });
  await cancelEverywhere(function* (victim) {
    const sequencer = new Sequencer();
    yield* taskGroup(function* (group) {
      group.startSoon(victim(sequencer.at(1, sleep(1))));
      yield* sequencer.at(0, sleep(1));
      try {
        yield* sequencer.at(2);
      } catch (error) {
        if (!(error instanceof BrokenResourceError)) throw error;
      }
    });
  });
});

each("assertCheckpoints gives the value of what checks for cancellation", function* () {
  const lock = new Lock();
  const held = yield* assertCheckpoints(lock.acquire());
  expect(lock.locked).toBe(true);
  held.release();
  const queue = new Queue<number>();
  queue.putNowait(1);
  expect(yield* assertCheckpoints(queue.get())).toBe(1);
  // An operation that arrives cancelled has taken nothing.
  expect(queue.size).toBe(0);
  const value = yield* assertCheckpoints(function* () {
    yield* sleep(0);
    return "value";
  });
  expect(value).toBe("value");
});

each("assertCheckpoints fails for a way without a checkpoint, also a shielded one", function* () {
  const cached: (known: boolean) => Coroutine<string> = function* (known) {
    if (!known) yield* sleep(0);
    return "value";
  };
  expect(yield* assertCheckpoints(() => cached(false))).toBe("value");
  expect(yield* caught(assertCheckpoints(() => cached(true)))).toBeInstanceOf(CheckpointError);
  expect(yield* caught(assertCheckpoints(shield(sleep(0))))).toBeInstanceOf(CheckpointError);
  const failing = assertCheckpoints(() => {
    throw new TypeError("its own error");
  });
  expect(yield* caught(failing)).toBeInstanceOf(TypeError);
});

each("assertNoCheckpoints gives the value of what does not wait, and stops what does", function* () {
  let performed = 0;
  const value = yield* assertNoCheckpoints(() => ++performed);
  expect([value, performed]).toEqual([1, 1]);
  let passed = false;
  const error = yield* caught(
    assertNoCheckpoints(function* () {
      yield* checkpoint();
      passed = true;
    }),
  );
  expect(error).toBeInstanceOf(CheckpointError);
  expect(passed).toBe(false);
});

eachAsync("both in async style", async () => {
  expect(
    await assertCheckpoints(async () => {
      await sleep(0);
      return 1;
    }),
  ).toBe(1);
  expect(await assertNoCheckpoints(async () => await Promise.resolve(2))).toBe(2);
  await expect(assertCheckpoints(async () => await Promise.resolve())).rejects.toBeInstanceOf(
    CheckpointError,
  );
  await expect(assertNoCheckpoints(async () => await sleep(1))).rejects.toBeInstanceOf(CheckpointError);
});

each("a cancellation from around is no checkpoint of the work", function* () {
  const result = yield* moveOnAfter(0, function* () {
    yield* checkpoint();
    yield* checkpoint();
    return yield* assertNoCheckpoints(() => 1);
  });
  expect(result).toBeUndefined();
});

each("the report names every open task, what it waits for and where", function* () {
  const event = new Event();
  yield* taskGroup(function* (group) {
    group.startSoon(sleep(60_000), { name: "cleaner" });
    group.startSoon(
      function* (): Coroutine<void> {
        yield* taskGroup(function* (inner) {
          inner.startSoon(event.wait(), { name: "grandchild" });
          yield* event.wait();
        });
      },
      { name: "child" },
    );
    yield* waitAllTasksBlocked();
    const late = group.startSoon(sleep(1), { name: "late" });
    const report = openTaskReport();
    expect(report).toEqual([
      expect.stringMatching(/^cleaner \(task \d+\) waits for 60000 ms to pass/),
      expect.stringMatching(/^child \(task \d+\) waits for an event\n {2}at /),
      expect.stringMatching(/^grandchild \(task \d+\) waits for an event/),
      expect.stringMatching(/^late \(task \d+\) has not begun$/),
    ]);
    expect(openTaskReport([late, currentTask()])).toHaveLength(2);
    group.cancel();
    expect(openTaskReport([late])).toEqual([
      expect.stringMatching(/^late \(task \d+\), told to stop, is ready/),
    ]);
  });
  expect(openTaskReport()).toEqual([]);
});

test("the tasks of every run of a backend, through an instrument", async () => {
  const tasks = new Set<Task<unknown>>();
  const stop = new AbortController();
  const backend = kernel({
    clock: new VirtualClock({ autojump: false }),
    deadlock: "ignore",
    instruments: [
      { taskSpawned: (task) => void tasks.add(task), taskExited: (task) => void tasks.delete(task) },
    ],
  });
  const forgotten = run(sleepForever(), { backend, name: "forgotten", signal: stop.signal });
  await run(sleep(0), { backend });
  expect(openTaskReport(tasks)).toEqual([
    expect.stringContaining("forgotten (task 1) waits for nothing, for ever"),
  ]);
  stop.abort(new Error("enough"));
  await expect(forgotten).rejects.toThrow("enough");
  expect(openTaskReport(tasks)).toEqual([]);
  expect(() => openTaskReport()).toThrow(UsageError);
});
