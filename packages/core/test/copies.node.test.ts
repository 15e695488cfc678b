/** Two compatible copies of core in one program, as two dependencies may bring them along: they work as one. */
import * as ours from "@anyloop/core/lowlevel";
import { kernel, VirtualClock } from "@anyloop/kernel";
import { expect, test, vi } from "vitest";

type Core = typeof ours;

vi.resetModules();
const theirs: Core = await import("@anyloop/core/lowlevel");

/** In a run of each copy: `a` performs what `b` has made. */
function inBoth(name: string, body: (a: Core, b: Core) => ours.Coroutine<void>): void {
  for (const [place, a, b] of [
    ["ours", ours, theirs],
    ["theirs", theirs, ours],
  ] as const) {
    test(`${name} [in a run of ${place}]`, async () => {
      await a.run(() => body(a, b), { backend: kernel({ clock: new VirtualClock() }) });
    });
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("there are two copies", () => {
  expect(theirs.CancelScope).not.toBe(ours.CancelScope);
});

inBoth("operations, groups and scopes nest", function* (a, b) {
  const scope = new a.CancelScope();
  let seen: unknown;
  yield* scope.run(
    b.taskGroup(function* (group) {
      group.startSoon(a.sleepForever());
      yield* b.sleep(1);
      scope.cancel("enough");
      try {
        yield* b.checkpoint();
      } catch (error) {
        seen = error;
        throw error;
      }
    }),
  );
  expect(scope.cancelledCaught).toBe(true);
  expect(a.isCancelled(seen) && b.isCancelled(seen)).toBe(true);
  expect(a.currentTask()).toBe(b.currentTask());
});

inBoth("the end of the other's stream is the end", function* (a, b) {
  const streamOf = function* (...items: string[]): ours.Coroutine<ours.MemoryReceiveStream<Uint8Array>> {
    const [send, receive] = b.memoryStream<Uint8Array>(items.length);
    for (const item of items) send.sendNowait(bytes(item));
    yield* send.close();
    return receive;
  };
  const got: string[] = [];
  yield* a.forEach(yield* streamOf("a"), (item) => void got.push(String(item.length)));
  yield* a.forEach(a.linesOf(yield* streamOf("one\ntw", "o")), (line) => void got.push(line));
  yield* a.forEach(new a.TextStream(yield* streamOf("text")), (text) => void got.push(text));
  got.push(String((yield* a.map(yield* streamOf("m"), (item) => item.length)).length));
  expect(got).toEqual(["1", "one", "two", "text", "1"]);
});

inBoth("of the other's operations in a race only one takes something", function* (a, b) {
  const [send, receive] = b.memoryStream<number>(1);
  const [send2, receive2] = b.memoryStream<number>(1);
  yield* a.taskGroup(function* (group) {
    group.startSoon(function* () {
      yield* a.sleep(1);
      send.sendNowait(1);
      send2.sendNowait(2);
    });
    expect(yield* a.race([receive.receive(), receive2.receive()])).toBe(1);
  });
  expect(receive2.receiveNowait()).toBe(2);
});

inBoth("inspect shows tasks that the other's groups have started", function* (a, b) {
  yield* b.taskGroup(function* (group) {
    const task = group.startSoon(a.sleep(60_000), { name: "sleeper" });
    yield* a.sleep(1);
    const [child] = a.inspect().children;
    expect(child).toMatchObject({ name: "sleeper", waitingFor: ["60000 ms to pass"] });
    expect(a.inspect(task).name).toBe("sleeper");
    group.cancel();
  });
});

inBoth("an error that the other's task failed with counts once", function* (a, b) {
  const boom = new Error("boom");
  let thrown: unknown;
  try {
    yield* b.taskGroup(function* (group) {
      const task = group.startSoon(() => {
        throw boom;
      });
      yield* a.taskGroup(function* (inner) {
        inner.startSoon(task.join());
      });
    });
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBe(boom);
});

test("a copy that is not compatible says so at its first operation, however that is performed", async () => {
  const key = Symbol.for("anyloop.realm");
  const shared = globalThis as unknown as Record<symbol, unknown>;
  const realm = shared[key];
  shared[key] = { version: 0 };
  vi.resetModules();
  try {
    const stranger: Core = await import("@anyloop/core/lowlevel");
    const refused = /Two incompatible copies/;
    await expect(stranger.run(stranger.sleep(1), { backend: kernel() })).rejects.toThrow(refused);
    await expect(stranger.sleep(1)).rejects.toThrow(refused);
    const yielded = ours.run(
      function* () {
        yield* stranger.sleep(1);
      },
      { backend: kernel() },
    );
    await expect(yielded).rejects.toThrow(refused);
  } finally {
    shared[key] = realm;
  }
});
