/** The same object used from tasks of several runs and backends, promise code and callbacks: every item exactly once. */
import {
  BrokenResourceError,
  ClosedResourceError,
  EndOfStream,
  fromPromise,
  moveOnAfter,
  run,
  shield,
  sleep,
  taskGroup,
  UsageError,
  WouldBlock,
} from "@anyloop/core";
import { UniversalEvent, UniversalQueue, UniversalResult } from "@anyloop/bridge";
import { checkpoint } from "@anyloop/core/lowlevel";
import { kernel } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { caught, each } from "./each.ts";

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe("UniversalQueue", () => {
  test("tasks of two kernels and a native run, promise code and callbacks share it: every item once [curio univ_queue_multiple_kernels]", async () => {
    const queue = new UniversalQueue<number>({ capacity: 3 });
    const got: number[] = [];
    const consumer = function* () {
      for (;;) {
        try {
          got.push(yield* queue.get());
        } catch (error) {
          if (error instanceof EndOfStream) return;
          throw error;
        }
      }
    };
    const promised = async (): Promise<void> => {
      for (;;) {
        try {
          got.push(await queue.getPromise());
        } catch (error) {
          if (error instanceof EndOfStream) return;
          throw error;
        }
      }
    };
    const calledBack = new Promise<void>((resolve) => {
      const next = (): void => {
        queue.getWith({
          resume(item) {
            got.push(item);
            setTimeout(next, 0);
          },
          fail: () => resolve(),
        });
      };
      next();
    });
    const consumers = [
      run(consumer, { backend: kernel() }),
      run(consumer, { backend: kernel({ seed: 1 }) }),
      run(consumer, { backend: native() }),
      promised(),
      calledBack,
    ];
    await run(
      taskGroup(function* (group) {
        group.startSoon(function* () {
          for (let item = 0; item < 100; item++) yield* queue.put(item);
        });
        yield* fromPromise(
          (async () => {
            for (let item = 100; item < 200; item++) await queue.putPromise(item);
          })(),
        );
      }),
      { backend: native() },
    );
    while (queue.size > 0) await new Promise((resolve) => void setTimeout(resolve, 1));
    queue.end();
    await Promise.all(consumers);
    expect(got.toSorted((a, b) => a - b)).toEqual(numbers(200));
  });

  test("any timeouts of tasks and any aborts of promise code lose no item [curio univ_queue_cancel]", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ who: fc.nat(2), patience: fc.nat(2), pause: fc.nat(2) }), { maxLength: 40 }),
        fc.nat(3),
        async (turns, extra) => {
          const queue = new UniversalQueue<number>({ capacity: 1 + extra });
          const count = 20;
          const putting = (async () => {
            for (let item = 0; item < count; item++) {
              await queue.putPromise(item);
              if (item % 3 === 0) await new Promise((resolve) => void setTimeout(resolve, 0));
            }
            queue.end();
          })();
          const got: number[] = [];
          for (const { who, patience, pause } of turns) {
            if (got.length === count) break;
            const work = moveOnAfter(patience / 2, queue.get());
            try {
              const item =
                who === 0
                  ? await run(work, { backend: kernel() })
                  : who === 1
                    ? await run(work, { backend: native() })
                    : await getUntil(queue, patience);
              if (item !== undefined) got.push(item);
            } catch (error) {
              expect(error).toBeInstanceOf(EndOfStream);
            }
            if (pause > 0) await new Promise((resolve) => void setTimeout(resolve, pause));
          }
          for (;;) {
            const item = await queue.getPromise().catch(() => undefined);
            if (item === undefined) break;
            got.push(item);
          }
          await putting;
          expect(got).toEqual(numbers(count));
        },
      ),
      { numRuns: 30 },
    );
  });

  each("a get that was resumed keeps its item though it is cancelled in the same turn", function* () {
    const queue = new UniversalQueue<number>();
    yield* taskGroup(function* (group) {
      let item: number | undefined;
      const getter = group.startSoon(function* () {
        item = yield* queue.get();
      });
      yield* fromPromise(Promise.resolve());
      yield* checkpoint();
      queue.putNowait(1);
      getter.cancel();
      yield* getter.wait();
      expect(item ?? queue.getNowait()).toBe(1);
      expect(queue.size).toBe(0);
    });
  });

  each("under a shield a get goes on waiting", function* () {
    const queue = new UniversalQueue<number>();
    setTimeout(() => queue.putNowait(1), 5);
    yield* taskGroup(function* (group) {
      const getter = group.startSoon(() => shield(queue.get()));
      yield* fromPromise(Promise.resolve());
      getter.cancel();
      yield* getter.wait();
      expect(getter.value).toBe(1);
    });
  });

  test("an abort withdraws a put and a get of promise code, and leaves no listener", async () => {
    const queue = new UniversalQueue<number>({ capacity: 1 });
    const reason = new Error("no longer");
    const controller = new AbortController();
    const getting = queue.getPromise({ signal: controller.signal });
    controller.abort(reason);
    await expect(getting).rejects.toBe(reason);
    queue.putNowait(1);
    const second = new AbortController();
    const putting = queue.putPromise(2, { signal: second.signal });
    second.abort(reason);
    await expect(putting).rejects.toBe(reason);
    await expect(queue.putPromise(2, { signal: second.signal })).rejects.toBe(reason);
    expect(queue.getNowait()).toBe(1);
    expect(() => queue.getNowait()).toThrow(WouldBlock);
  });

  test("an abort by whoever was woken by the get changes nothing: the item was taken", async () => {
    const queue = new UniversalQueue<number>({ capacity: 1, wake: "at-once" });
    const controller = new AbortController();
    const putting = run(
      function* () {
        yield* queue.put(1);
        yield* queue.put(2);
        controller.abort();
      },
      { backend: kernel() },
    );
    while (queue.statistics().waitingPut === 0) await new Promise((resolve) => void setTimeout(resolve, 0));
    expect(await queue.getPromise({ signal: controller.signal })).toBe(1);
    await putting;
    expect(controller.signal.aborted).toBe(true);
    expect(await queue.getPromise()).toBe(2);
  });

  test("ends, failures and closing are told to promise code and callbacks as to tasks", async () => {
    const boom = new Error("boom");
    const failed = new UniversalQueue<number>();
    failed.putNowait(1);
    failed.fail(boom);
    expect(await failed.getPromise()).toBe(1);
    await expect(failed.getPromise()).rejects.toMatchObject({ name: "BrokenResourceError", cause: boom });
    expect(() => failed.putNowait(2)).toThrow(ClosedResourceError);
    const closed = new UniversalQueue<number>({ capacity: 1 });
    closed.putNowait(1);
    const waiting = closed.putPromise(2);
    closed.close(boom);
    await expect(waiting).rejects.toMatchObject({ name: "BrokenResourceError", cause: boom });
    expect(() => closed.getNowait()).toThrow(ClosedResourceError);
    const errors: unknown[] = [];
    closed.putWith(3, { resume: () => {}, fail: (error) => void errors.push(error) });
    expect(errors[0]).toBeInstanceOf(BrokenResourceError);
  });

  test("whoever puts an item in goes on first, unless the queue was told to wake at once", async () => {
    const steps: string[] = [];
    for (const wake of ["later", "at-once"] as const) {
      const queue = new UniversalQueue<number>({ wake });
      await run(
        function* () {
          // What comes from the host comes once this task has given way, and that is in `get`.
          setTimeout(() => {
            queue.putNowait(1);
            steps.push(`put, ${wake}`);
          }, 0);
          yield* queue.get();
          steps.push(`got, ${wake}`);
        },
        { backend: kernel() },
      );
    }
    expect(steps).toEqual(["put, later", "got, later", "got, at-once", "put, at-once"]);
  });

  test("bad input is refused", () => {
    expect(() => new UniversalQueue({ capacity: 0 })).toThrow(UsageError);
    expect(() => new UniversalQueue({ capacity: Number.NaN })).toThrow(UsageError);
    expect(() => new UniversalQueue<unknown>().putNowait(Promise.resolve())).toThrow(UsageError);
    expect(() => new UniversalQueue<unknown>().put(sleep(1))).toThrow(UsageError);
  });
});

async function getUntil(queue: UniversalQueue<number>, patience: number): Promise<number | undefined> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), patience);
  try {
    return await queue.getPromise({ signal: controller.signal });
  } catch (error) {
    if (controller.signal.aborted) return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

describe("UniversalEvent and UniversalResult", () => {
  each("an event set in a callback lets tasks, promise code and callbacks go on", function* () {
    const event = new UniversalEvent();
    const told: string[] = [];
    event.waitWith({ resume: () => void told.push("callback"), fail: () => {} });
    const promise = event.waitPromise();
    setTimeout(() => event.set(), 1);
    yield* event.wait();
    yield* fromPromise(promise);
    yield* event.wait();
    expect(told).toEqual(["callback"]);
    expect(event.isSet).toBe(true);
  });

  each("a result is settled once, and its error is thrown wherever it is waited for", function* () {
    const boom = new Error("boom");
    const result = new UniversalResult<number>();
    expect(result.reject(boom)).toBe(true);
    expect(result.resolve(1)).toBe(false);
    expect(yield* caught(result.wait())).toBe(boom);
    expect(yield* caught(fromPromise(result.waitPromise()))).toBe(boom);
  });

  each("a cancelled wait leaves nothing behind", function* () {
    const result = new UniversalResult<number>();
    yield* taskGroup(function* (group) {
      const waiter = group.startSoon(result.wait());
      yield* fromPromise(Promise.resolve());
      waiter.cancel();
    });
    result.resolve(1);
    expect(yield* result.wait()).toBe(1);
  });
});
