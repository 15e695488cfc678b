/** Work in threads and processes: what travels, who is waited for, and what a cancellation does. */
import { randomBytes } from "node:crypto";
import {
  BrokenResourceError,
  CancelScope,
  CapacityLimiter,
  Event,
  isCancelled,
  moveOnAfter,
  type Operation,
  sleepForever,
  taskGroup,
  TaskLocal,
  UsageError,
  use,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import {
  callback,
  ModuleError,
  runInProcess,
  runInThread,
  tempDirectory,
  threadChannel,
  writeFile,
} from "@anyloop/io";
import { describe, expect, test } from "vitest";
import { caught, each } from "./each.ts";
import { runProgram, noPrograms } from "./program.ts";

/** Holds its worker for so many milliseconds. */
function block(ms: number): number {
  const end = Date.now() + ms;
  while (Date.now() < end);
  return ms;
}

const forEver = (): void => {
  for (;;);
};

const kinds = [
  ["runInThread", runInThread],
  ["runInProcess", runInProcess],
] as const;

describe.each(kinds)("%s", (_, runIn) => {
  each("gives what the function gives, be it at once or later", function* () {
    expect(yield* runIn((left: number, right: number) => left + right, [1, 2])).toBe(3);
    expect(yield* runIn(async (text: string) => text.toUpperCase(), ["later"])).toBe("LATER");
    const big = new Map([["list", [1n, 2n]]]);
    expect(yield* runIn((map: Map<string, bigint[]>) => map, [big])).toEqual(big);
  });

  each("finds a function in a module", function* () {
    const module = new URL("worker-functions.mjs", import.meta.url);
    expect(yield* runIn<number>({ module, name: "double" }, [21])).toBe(42);
    expect(yield* runIn<string>({ module })).toBe("the default");
    const error = yield* caught(runIn({ module, name: "absent" }));
    expect(error).toBeInstanceOf(UsageError);
    expect(String(error)).toContain('exports no function "absent"');
    expect(yield* caught(runIn({ module: "relative" }))).toBeInstanceOf(UsageError);
  });

  each(
    "a module that cannot be loaded is a ModuleError, with the runtime's error as its cause",
    function* () {
      const load = (module: string): Operation<unknown> =>
        caught(runIn({ module: new URL(module, import.meta.url) }));
      const missing = (yield* load("nowhere.mjs")) as ModuleError;
      expect(missing).toBeInstanceOf(ModuleError);
      expect(missing.code).toMatch(/^(ERR_)?MODULE_NOT_FOUND$/);
      expect(missing.message).toMatch(/^Loading the module file:.*nowhere\.mjs in a worker failed/);
      expect(missing.cause).toBeInstanceOf(Error);
      const throwing = (yield* load("data:text/javascript,throw new RangeError('at once')")) as ModuleError;
      expect(throwing).toBeInstanceOf(ModuleError);
      expect([throwing.cause, (throwing.cause as Error).message]).toEqual([
        expect.any(RangeError),
        "at once",
      ]);
      expect(yield* runIn(() => "fine")).toBe("fine");
    },
  );

  each("throws what the function throws, with its name, code and cause", function* () {
    const error = yield* caught(
      runIn(() => {
        const cause = new TypeError("the cause");
        throw Object.assign(new RangeError("too far", { cause }), { code: "EFAR" });
      }),
    );
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ message: "too far", code: "EFAR", cause: { message: "the cause" } });
    expect(
      yield* caught(
        runIn(() => {
          throw "a text";
        }),
      ),
    ).toBe("a text");
  });

  each("says of a closure what it misses, and what to do", function* () {
    const outside = 7;
    const error = yield* caught(
      runIn(
        function multiply(value: number) {
          return value * outside;
        },
        [1],
      ),
    );
    expect(error).toBeInstanceOf(UsageError);
    expect(String(error)).toContain('uses "outside"');
    expect(String(error)).toContain("as an argument");
  });

  each("refuses what cannot travel before anything is handed over", function* () {
    const methods = {
      work() {
        return 1;
      },
    };
    for (const work of [
      Math.max,
      block.bind(undefined, 1),
      function* () {},
      methods.work,
    ] as (() => unknown)[]) {
      expect(yield* caught(runIn(work))).toBeInstanceOf(UsageError);
    }
    expect(String(yield* caught(runIn((call: () => void) => call(), [() => {}])))).toContain("callback(");
    expect(yield* caught(runIn(() => () => {}))).toBeInstanceOf(UsageError);
    // All workers still work.
    expect(yield* runIn(() => "fine")).toBe("fine");
  });

  each("does no more at once than the limiter allows, and keeps the loop free", function* () {
    const limiter = new CapacityLimiter(1);
    const done: number[] = [];
    const started = Date.now();
    let turns = 0;
    yield* taskGroup(function* (group) {
      group.startSoon(
        function* () {
          for (; ; turns++) yield* checkpoint();
        },
        { daemon: true },
      );
      for (const index of [1, 2, 3]) {
        group.startSoon(function* () {
          yield* runIn(block, [20], { limiter });
          done.push(index);
        });
      }
    });
    expect(done.length).toBe(3);
    expect(Date.now() - started).toBeGreaterThanOrEqual(60);
    expect(turns).toBeGreaterThan(3);
    expect(limiter.borrowedTokens).toBe(0);
  });

  each("a waiter for a slot is cancelled at once, and nothing is handed over", function* () {
    const limiter = new CapacityLimiter(0);
    yield* moveOnAfter(1, runIn(forEver, [], { limiter }));
    expect(limiter.statistics().tasksWaiting).toBe(0);
  });

  each("wait: a job that has begun is waited for, and its value wins", function* () {
    const scope = new CancelScope();
    const hasBegun = new Event();
    const begun = callback(function* () {
      hasBegun.set();
    });
    yield* taskGroup(function* (group) {
      const working = group.startSoon(
        scope.run(
          runIn(
            async (begun: () => Promise<void>) => {
              await begun();
              return await new Promise<string>((resolve) => {
                setTimeout(resolve, 30, "done all the same");
              });
            },
            [begun],
          ),
        ),
      );
      yield* hasBegun.wait();
      scope.cancel();
      expect(yield* working.join()).toBe("done all the same");
    });
  });

  each("abandon: the caller leaves at once, the slot is held until the work has ended", function* () {
    const limiter = new CapacityLimiter(1);
    const hasBegun = new Event();
    const begun = callback(function* () {
      hasBegun.set();
    });
    const scope = new CancelScope();
    yield* use(tempDirectory(), function* (folder) {
      const { path: mayEnd } = folder.join("may-end");
      yield* taskGroup(function* (group) {
        group.startSoon(
          scope.run(
            runIn(
              async (begun: () => Promise<void>, mayEnd: string) => {
                const { existsSync } = await import("node:fs");
                await begun();
                while (!existsSync(mayEnd));
              },
              [begun, mayEnd],
              { limiter, cancel: "abandon" },
            ),
          ),
        );
        yield* hasBegun.wait();
        scope.cancel();
      });
      expect(scope.cancelledCaught).toBe(true);
      expect(limiter.borrowedTokens).toBe(1);
      yield* taskGroup(function* (group) {
        const next = group.startSoon(runIn(() => "next", [], { limiter }));
        while (limiter.statistics().tasksWaiting === 0) yield* checkpoint();
        yield* writeFile(mayEnd, "");
        expect(yield* next.join()).toBe("next");
      });
      expect(limiter.borrowedTokens).toBe(0);
    });
  });

  each("terminate: the worker is ended, the caller leaves when it has", function* () {
    const limiter = new CapacityLimiter(1);
    const hasBegun = new Event();
    const begun = callback(function* () {
      hasBegun.set();
    });
    const scope = new CancelScope();
    yield* taskGroup(function* (group) {
      group.startSoon(
        scope.run(
          runIn(
            async (begun: () => Promise<void>) => {
              await begun();
              for (;;);
            },
            [begun],
            { limiter, cancel: "terminate" },
          ),
        ),
      );
      yield* hasBegun.wait();
      scope.cancel();
    });
    expect(scope.cancelledCaught).toBe(true);
    expect(limiter.borrowedTokens).toBe(0);
    expect(yield* runIn(() => "the next one works", [], { limiter })).toBe("the next one works");
  });

  each("a worker that dies breaks its call with the cause, and the next call works", function* () {
    const error = yield* caught(
      runIn(async () => {
        setImmediate(() => {
          process.exit(3);
        });
        await new Promise(() => {});
      }),
    );
    expect(error).toBeInstanceOf(BrokenResourceError);
    expect(String(error)).toContain("code 3");
    expect(yield* runIn(() => "fine")).toBe("fine");
  });

  each("callbacks run here, as tasks of the caller, and give or throw to the worker", function* () {
    const local = new TaskLocal({ default: "unset" });
    const double = callback(function* (value: number) {
      yield* checkpoint();
      if (value === 3) throw Object.assign(new RangeError("not three"), { code: "ETHREE" });
      return [value * 2, local.get()] as const;
    });
    const got = yield* local.with("of the caller", () =>
      runIn(
        async (double: (value: number) => Promise<readonly [number, string]>) => {
          const both = await Promise.all([double(1), double(2)]);
          const error = await double(3).catch((thrown: Error & { code: string }) => thrown);
          return [both, error instanceof Error && error.name, (error as { code?: string }).code];
        },
        [double],
      ),
    );
    expect(got).toEqual([
      [
        [2, "of the caller"],
        [4, "of the caller"],
      ],
      "RangeError",
      "ETHREE",
    ]);
  });

  each("cancelling the caller cancels a callback that runs, and is thrown once", function* () {
    const inCallback = new Event();
    let was: unknown;
    const wait = callback(function* () {
      inCallback.set();
      try {
        yield* sleepForever();
      } catch (error) {
        was = error;
        throw error;
      }
    });
    const scope = new CancelScope();
    yield* taskGroup(function* (group) {
      group.startSoon(scope.run(runIn((wait: () => Promise<void>) => wait(), [wait])));
      yield* inCallback.wait();
      scope.cancel();
    });
    expect(isCancelled(was)).toBe(true);
    expect(scope.cancelledCaught).toBe(true);
  });
});

each("buffers are moved to a thread, not to a process", function* () {
  const bytes = new Uint8Array(randomBytes(16));
  const { buffer } = bytes;
  expect(yield* runInThread((moved: Uint8Array) => moved.length, [bytes], { transfer: [buffer] })).toBe(16);
  expect(bytes.length).toBe(0);
  const refused = runInProcess((moved: Uint8Array) => moved.length, [bytes], { transfer: [buffer] });
  expect(yield* caught(refused)).toBeInstanceOf(UsageError);
  const [here, there] = threadChannel();
  expect(yield* caught(runInProcess((port: unknown) => port, [there]))).toBeInstanceOf(UsageError);
  yield* here.close();
});

const ends = test.skipIf(noPrograms !== undefined);
ends.each(["idle", "abandoned"])(
  `a program with %s workers ends by itself [${noPrograms ?? "real"}]`,
  async (what) => {
    const started = Date.now();
    const { exitCode, stdout, stderr } = await runProgram("leaves-workers.ts", [what]);
    expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: "3 3\n", stderr: "" });
    expect(Date.now() - started).toBeLessThan(9_000);
  },
);
