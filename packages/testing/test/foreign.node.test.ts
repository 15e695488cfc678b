/** What must not happen to the process, and what happens to a kernel when a run ends in an error. */
import {
  asCompleted,
  CancelScope,
  Event,
  forEach,
  fromPromise,
  generate,
  InternalError,
  isCancelled,
  map,
  memoryStream,
  moveOnAfter,
  perform,
  run,
  sleep,
  sleepForever,
  type Task,
  taskGroup,
  TaskLocal,
  UsageError,
  use,
} from "@anyloop/core";
import { checkpoint, type Instrument, suspend } from "@anyloop/core/lowlevel";
import { kernel, VirtualClock } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { thrownBy } from "./each.ts";

const backends = [
  ["native", native],
  ["kernel", kernel],
] as const;

const unhandled: unknown[] = [];

const note = (error: unknown): void => {
  unhandled.push(error);
};

let others: NodeJS.UnhandledRejectionListener[] = [];

beforeEach(() => {
  unhandled.length = 0;
  others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", note);
});

afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  process.off("unhandledRejection", note);
  for (const other of others) process.on("unhandledRejection", other);
});

async function quiet(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(unhandled).toEqual([]);
}

for (const [name, backend] of backends) {
  test(`failing tasks, lost races and swallowed errors leave no unhandled rejection [${name}]`, async () => {
    const error = await thrownBy(
      run(
        async () => {
          await taskGroup(async (group) => {
            group.startSoon(async () => {
              await Promise.race([checkpoint(), sleepForever(), sleep(1000)]);
            });
            group.startSoon(async () => {
              await Promise.all([sleepForever(), sleep(1)]);
            });
            group.startSoon(async () => {
              await sleep(1);
              throw new Error("boom");
            });
            await sleepForever();
          });
        },
        { backend: backend() },
      ),
    );
    expect((error as Error).message).toBe("boom");
    await quiet();
  });

  test(`a promise given to fromPromise in a cancelled scope is not an unhandled rejection [${name}]`, async () => {
    await run(
      function* () {
        yield* moveOnAfter(0, fromPromise(Promise.reject(new Error("nobody's"))));
      },
      { backend: backend() },
    );
    await quiet();
  });

  test(`an async iterator that fails to close does so in map's name [${name}]`, async () => {
    const items = async function* (): AsyncGenerator<number> {
      try {
        for (let item = 0; ; item++) yield item;
      } finally {
        await Promise.reject(new Error("close"));
      }
    };
    const error = await thrownBy(
      run(
        map(
          items(),
          () => {
            throw new Error("body");
          },
          { limit: 1 },
        ),
        { backend: backend() },
      ),
    );
    expect(error).toBeInstanceOf(Error);
    await quiet();
  });

  test(`an operation begun with then(f) alone and cancelled at the end of its body [${name}]`, async () => {
    await run(
      async () => {
        void sleepForever().then(() => {});
        await checkpoint();
      },
      { backend: backend() },
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(unhandled.filter((error) => isCancelled(error))).toEqual([]);
  });

  test(`a crashed run takes no further step, and leaves nothing in its loop [${name}]`, async () => {
    const used = backend();
    let steps = 0;
    const scope = new CancelScope();
    const go = new Event();
    const crashed = run(
      function* () {
        yield* taskGroup(function* (group) {
          group.startSoon(
            scope.run(
              suspend(() => () => {
                throw new Error("abort");
              }),
            ),
          );
          group.startSoon(sleep(100_000));
          group.startSoon(function* () {
            yield* go.wait();
            steps++;
          });
          yield* sleepForever();
        });
      },
      { backend: used },
    );
    setTimeout(() => {
      go.set();
      scope.cancel();
    }, 5);
    expect(await thrownBy(crashed)).toBeInstanceOf(InternalError);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(steps).toBe(0);
    if ("nextDeadline" in used) expect((used as ReturnType<typeof kernel>).nextDeadline()).toBe(Infinity);
  });

  test(`joining a task of another run, and cancelling it from there [${name}]`, async () => {
    let task: Task<number> | undefined;
    const go = new Event();
    const first = run(
      function* () {
        yield* taskGroup(function* (group) {
          task = group.startSoon(function* () {
            yield* go.wait();
            return 5;
          });
        });
      },
      { backend: backend() },
    );
    await new Promise((resolve) => setTimeout(resolve, 2));
    const second = run(
      function* () {
        return yield* (task as Task<number>).join();
      },
      { backend: kernel() },
    );
    await new Promise((resolve) => setTimeout(resolve, 2));
    go.set();
    expect(await second).toBe(5);
    await first;
    task?.cancel();
    expect(task?.status).toBe("finished");
  });

  test(`instruments that throw or cancel do not break the run [${name}]`, async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const seen: string[] = [];
    const bad: Instrument = {
      taskSpawned() {
        throw new Error("bad");
      },
    };
    const good: Instrument = {
      taskExited(task) {
        seen.push(task.name);
      },
    };
    await run(
      function* main() {
        yield* taskGroup(function* (group) {
          group.startSoon(function* child() {
            yield* checkpoint();
          });
        });
      },
      { backend: backend({ instruments: [bad, good] }) },
    );
    expect(seen).toEqual(["child", "main"]);
    expect(log).toHaveBeenCalledTimes(1);
    log.mockRestore();
  });

  test(`an abort listener of the user's is taken off the signal when the run is over [${name}]`, async () => {
    const controller = new AbortController();
    const add = vi.spyOn(controller.signal, "addEventListener");
    const remove = vi.spyOn(controller.signal, "removeEventListener");
    for (let turn = 0; turn < 3; turn++)
      await run(checkpoint(), { backend: backend(), signal: controller.signal });
    expect(remove.mock.calls.length).toBe(add.mock.calls.length);
  });
}

test("a deadline moved by an earlier one of the same turn leaves no timer behind", async () => {
  const backend = kernel({ clock: new VirtualClock() });
  await run(
    function* () {
      const first = new CancelScope({ deadline: 10 });
      const second = new CancelScope({ deadline: 10 });
      first.signal.addEventListener("abort", () => {
        second.deadline = 1_000_000;
      });
      const go = new Event();
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* first.run(sleepForever());
          go.set();
        });
        yield* checkpoint();
        yield* second.run(go.wait());
      });
      expect(second.cancelCalled).toBe(false);
    },
    { backend },
  );
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(backend.nextDeadline()).toBe(Infinity);
});

for (const [name, backend] of backends) {
  test(`what is no work is refused where it is performed, and the run ends [${name}]`, async () => {
    for (const bad of [undefined, null, 7, "work", {}, Promise.resolve()] as unknown as (() => void)[]) {
      const [send, receive] = memoryStream<number>(1);
      send.sendNowait(1);
      for (const work of [
        () => taskGroup(bad),
        () => moveOnAfter(1, bad),
        () => map([1], bad),
        () => use({ close() {} }, bad),
        () => generate<number, void>(bad, (stream) => forEach(stream, () => {})),
        () => generate<number, void>(() => {}, bad),
        () => asCompleted([sleep(0)], bad),
        () => forEach(receive.clone(), bad),
        () => new TaskLocal<number>().with(1, bad),
        () => perform({}, bad as never),
      ]) {
        const error = await thrownBy(run(work, { backend: backend() }));
        expect(error, `${String(bad)}, ${String(work)}`).toBeInstanceOf(UsageError);
      }
    }
    await quiet();
  });
}
