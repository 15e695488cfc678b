/** Virtual time in tests: what moves the clock, what holds it back, and who goes first. */
import {
  type Coroutine,
  Event,
  fromPromise,
  moveOnAfter,
  now,
  run,
  sleep,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { kernel, VirtualClock } from "@anyloop/kernel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test, vi } from "vitest";
import { each, hasAsyncBodies, thrownBy } from "./each.ts";

function inVirtualTime<T>(body: () => Coroutine<T>, clock = new VirtualClock()): Promise<T> {
  return run(body, { backend: kernel({ clock }) });
}

/** A promise that only the host's own clock fulfils. */
function later(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

test("a thousand virtual seconds take milliseconds", async () => {
  const started = performance.now();
  await inVirtualTime(function* () {
    for (let second = 0; second < 1_000; second++) yield* sleep(1_000);
    expect(now()).toBe(1_000_000);
  });
  expect(performance.now() - started).toBeLessThan(1_000);
});

test("jump moves the clock by hand, and what is due by then happens in order", async () => {
  const clock = new VirtualClock({ autojump: false });
  const woken: number[] = [];
  await inVirtualTime(function* () {
    yield* taskGroup(function* (group) {
      for (const time of [30, 10, 20, 40]) {
        group.startSoon(function* () {
          yield* sleep(time);
          woken.push(time);
        });
      }
      yield* waitAllTasksBlocked();
      clock.jump(20);
      yield* waitAllTasksBlocked();
      expect(woken).toEqual([10, 20]);
      expect(now()).toBe(20);
      clock.jump(0);
      yield* waitAllTasksBlocked();
      expect(woken).toEqual([10, 20]);
      clock.jump(1_000);
    });
    expect(woken).toEqual([10, 20, 30, 40]);
    expect(now()).toBe(1_020);
  }, clock);
});

test("a clock that is moved by hand from outside a run wakes what waits for it", async () => {
  const clock = new VirtualClock({ autojump: false });
  const running = inVirtualTime(function* () {
    return yield* moveOnAfter(100, sleep(1_000));
  }, clock);
  await later(5);
  clock.jump(99);
  await later(5);
  clock.jump(1);
  expect(await running).toBeUndefined();
  for (const wrong of [-1, Number.NaN, -Infinity]) expect(() => clock.jump(wrong)).toThrow(UsageError);
});

test("whoever waits for all to be blocked goes on before the clock jumps [trio autojump_0_and_wait_all_tasks_blocked_0]", async () => {
  const record: string[] = [];
  await inVirtualTime(function* () {
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        yield* sleep(10);
        record.push("yawn");
      });
      yield* waitAllTasksBlocked();
      record.push("waiter woke");
      expect(now()).toBe(0);
      yield* sleep(1_000);
      record.push("waiter done");
    });
  });
  expect(record).toEqual(["waiter woke", "yawn", "waiter done"]);
});

test("and so with a cushion, however long [trio autojump_0_and_wait_all_tasks_blocked_nonzero]", async () => {
  const record: string[] = [];
  await inVirtualTime(function* () {
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        yield* sleep(10);
        record.push("yawn");
      });
      const started = performance.now();
      yield* waitAllTasksBlocked(30);
      expect(performance.now() - started).toBeGreaterThan(28);
      record.push("waiter woke");
      expect(now()).toBe(0);
      yield* sleep(1_000);
      record.push("waiter done");
    });
  });
  expect(record).toEqual(["waiter woke", "yawn", "waiter done"]);
});

each(
  "the shorter cushion is over first, and one who wakes starts the longer anew [trio wait_all_tasks_blocked_with_cushion]",
  function* () {
    const record: string[] = [];
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        yield* waitAllTasksBlocked(25);
        record.push("long");
      });
      group.startSoon(function* () {
        yield* waitAllTasksBlocked();
        record.push("none");
        yield* waitAllTasksBlocked(5);
        record.push("short");
      });
    });
    expect(record).toEqual(["none", "short", "long"]);
  },
  { seeds: 3 },
);

each(
  "and so on a machine that was busy until both were over",
  function* () {
    const record: string[] = [];
    yield* taskGroup(function* (group) {
      for (const cushion of [40, 20]) {
        group.startSoon(function* () {
          yield* waitAllTasksBlocked(cushion);
          record.push(String(cushion));
        });
      }
      setTimeout(() => {
        for (const until = performance.now() + 60; performance.now() < until;);
        record.push("busy");
      }, 10);
    });
    expect(record).toEqual(["busy", "20", "40"]);
  },
  { seeds: 5 },
);

each(
  "a task that is woken by the host within the cushion was not blocked",
  function* () {
    const woken = new Event();
    let steps = 0;
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        yield* woken.wait();
        steps++;
        // Blocked again before anybody could look.
        yield* fromPromise(later(25));
        steps++;
      });
      setTimeout(() => woken.set(), 25);
      // Much more than the waits, for a machine that is busy.
      yield* waitAllTasksBlocked(200);
      expect(steps).toBe(2);
    });
  },
  { seeds: 1 },
);

test("cancelling it leaves no timer behind", async () => {
  const set = vi.spyOn(globalThis, "setTimeout");
  const cleared = vi.spyOn(globalThis, "clearTimeout");
  await inVirtualTime(function* () {
    yield* moveOnAfter(0, () => waitAllTasksBlocked(54_321));
    yield* taskGroup(function* (group) {
      group.startSoon(() => waitAllTasksBlocked(54_321));
      while (!set.mock.calls.some(([, delay]) => delay === 54_321)) yield* fromPromise(later(1));
      group.cancel();
    });
  });
  const index = set.mock.calls.findIndex(([, delay]) => delay === 54_321);
  expect(cleared).toHaveBeenCalledWith(set.mock.results[index]?.value);
  vi.restoreAllMocks();
});

test("a cushion that cannot be is refused", async () => {
  for (const cushion of [-1, Number.NaN, Infinity]) {
    const thrown = await thrownBy(
      inVirtualTime(() =>
        (function* () {
          yield* waitAllTasksBlocked(cushion);
        })(),
      ),
    );
    expect(thrown).toBeInstanceOf(UsageError);
  }
});

const holders: readonly [string, () => PromiseLike<unknown>, boolean][] = [
  ["an async body that awaits a raw promise", () => run(heldByAsyncBody, virtual()), true],
  ["a promise that fromPromise waits for", () => run(heldByPromise, virtual()), false],
  ["work that fromPromise owns", () => run(heldByOwnedPromise, virtual()), false],
  ["a task that is ready", () => run(heldByReady, virtual()), false],
];

function virtual(): { backend: ReturnType<typeof kernel> } {
  return { backend: kernel({ clock: new VirtualClock() }) };
}

function* heldBy(holder: () => Coroutine<void> | Promise<void>): Coroutine<void> {
  yield* taskGroup(function* (group) {
    group.startSoon(sleep(5));
    group.startSoon(holder);
    yield* checkpoint();
  });
  expect(now()).toBe(5);
}

const heldByAsyncBody = (): Coroutine<void> =>
  heldBy(async () => {
    await later(15);
    expect(now()).toBe(0);
  });
const heldByPromise = (): Coroutine<void> =>
  heldBy(function* () {
    yield* fromPromise(later(15));
    expect(now()).toBe(0);
  });
const heldByOwnedPromise = (): Coroutine<void> =>
  heldBy(function* () {
    yield* fromPromise(() => later(15));
    expect(now()).toBe(0);
  });
const heldByReady = (): Coroutine<void> =>
  heldBy(function* () {
    const until = performance.now() + 15;
    while (performance.now() < until) yield* checkpoint();
    expect(now()).toBe(0);
  });

for (const [name, perform, needsAsyncBodies] of holders) {
  const title = `the clock is held back by ${name}`;
  if (needsAsyncBodies && !hasAsyncBodies) test.skip(`${title} [needs AsyncLocalStorage]`);
  else test(title, async () => void (await perform()));
}

const testAsync = hasAsyncBodies ? test : test.skip;
const inAsyncStyle = hasAsyncBodies ? "" : " [needs AsyncLocalStorage]";

testAsync(`an async body that waits for an operation does not hold the clock${inAsyncStyle}`, async () => {
  await run(async () => {
    await sleep(1_000);
    expect(now()).toBe(1_000);
    await Promise.all([sleep(500), sleep(2_000)]);
    expect(now()).toBe(3_000);
  }, virtual());
});

testAsync(`a raw promise beside an operation is not seen, unless it is wrapped${inAsyncStyle}`, async () => {
  await run(async () => {
    await Promise.all([sleep(5), later(15)]);
    expect(now()).toBe(5);
  }, virtual());
  await run(async () => {
    await Promise.all([sleep(5), fromPromise(later(15)).then(() => expect(now()).toBe(0))]);
  }, virtual());
});

test("a held clock does not jump for a timeout either: the host may keep its word", async () => {
  await inVirtualTime(function* () {
    const kept = yield* moveOnAfter(1, function* () {
      yield* fromPromise(later(15));
      return "kept";
    });
    expect(kept).toBe("kept");
    expect(now()).toBe(0);
  });
});
