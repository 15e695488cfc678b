/** Channels between threads keep to what every stream of objects keeps to, and carry what a thread's death was. */
import { MessageChannel } from "node:worker_threads";
import {
  BrokenResourceError,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  Event,
  forEach,
  moveOnAfter,
  run,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { callback, runInThread, threadChannel, type ThreadPort, threadStream } from "@anyloop/io";
import { kernel } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { objectStreamConformance, registerCases, waitAllTasksBlocked } from "@anyloop/testing";
import { describe, expect, test } from "vitest";
import { caught, each } from "./each.ts";

/** Waiting for another thread holds a virtual clock, so the rules that let time pass while nobody answers are for real ones. */
const matrices = [
  { seeds: 2, bounded: false },
  { backends: ["native", "kernel"], bounded: true },
] as const;

function onRealClocks(name: string, body: () => Coroutine<void>): void {
  for (const backend of [kernel, native]) {
    test(`${name} [${backend.name}]`, () => run(body, { backend: backend() }));
  }
}

describe.each(matrices)("a channel within one thread (%o)", (matrix) => {
  registerCases(
    test,
    objectStreamConformance(() => {
      const { port1, port2 } = new MessageChannel();
      return [threadStream<number>(port1, 4), threadStream<number>(port2, 4)] as const;
    }, matrix),
  );
});

/** In the thread: what comes from the one goes to the other. */
async function relay(
  from: ThreadPort<never, number>,
  to: ThreadPort<number, never>,
  tellBegun: () => Promise<void>,
): Promise<void> {
  await tellBegun();
  try {
    for await (const item of from) await to.send(item);
  } catch (error) {
    // Either side may leave before the other; what is left then is told to the other by closing.
    if ((error as Error).name !== "BrokenResourceError") throw error;
  }
}

describe.each(matrices)("a channel to a thread that sends everything back by another (%o)", (matrix) => {
  registerCases(
    test,
    objectStreamConformance(function* (group) {
      const [send, from] = threadChannel<number, never>(2);
      const [receive, to] = threadChannel<never, number>(2);
      const begun = new Event();
      const tellBegun = callback(() => begun.set());
      group.startSoon(runInThread(relay, [from, to, tellBegun], { cancel: "terminate" }));
      // Deno loses what a channel was given that is closed before.
      if ("Deno" in globalThis) yield* begun.wait();
      return [send, receive] as const;
    }, matrix),
  );
});

each("items are cloned when they are sent: what is changed afterwards is the sender's own", function* () {
  const { port1, port2 } = new MessageChannel();
  const [left, right] = [threadStream<object>(port1), threadStream<object>(port2)];
  const nested = { list: [1] };
  const flat = { count: 1 };
  const map = new Map([["key", 1]]);
  yield* left.send(nested);
  yield* left.send(flat);
  yield* left.send(map);
  nested.list.push(2);
  flat.count = 2;
  map.clear();
  expect(yield* right.receive()).toEqual({ list: [1] });
  expect(yield* right.receive()).toEqual({ count: 1 });
  expect(yield* right.receive()).toEqual(new Map([["key", 1]]));
  yield* left.close();
  yield* right.close();
});

each("what cannot be cloned is its sender's error, and nothing else is lost", function* () {
  const { port1, port2 } = new MessageChannel();
  const [left, right] = [threadStream<unknown>(port1), threadStream<unknown>(port2)];
  yield* left.send("before");
  for (const item of [() => {}, Symbol("s"), { call: () => {} }, [() => {}]]) {
    const error = yield* caught(left.send(item));
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).cause).toBeDefined();
  }
  yield* left.send("after");
  yield* left.close();
  expect(yield* right.receive()).toBe("before");
  expect(yield* right.receive()).toBe("after");
  expect(yield* caught(right.receive())).toBeInstanceOf(EndOfStream);
  yield* right.close();
});

each("what is to be transferred moves instead, in its place among the others", function* () {
  const { port1, port2 } = new MessageChannel();
  const [left, right] = [threadStream<unknown>(port1), threadStream<unknown>(port2)];
  const bytes = new Uint8Array([1, 2, 3]);
  yield* left.send("before");
  yield* left.send(bytes, [bytes.buffer]);
  yield* left.send("after");
  expect(bytes.length).toBe(0);
  expect(yield* right.receive()).toBe("before");
  expect(yield* right.receive()).toEqual(new Uint8Array([1, 2, 3]));
  expect(yield* right.receive()).toBe("after");
  yield* left.close();
  yield* right.close();
});

each("at most capacity items are under way: the sender waits for the thread", function* () {
  const [here, there] = threadChannel<number, number>(3);
  yield* taskGroup(function* (group) {
    const working = group.startSoon(
      runInThread(
        async (port: ThreadPort<number, number>) => {
          for await (const item of port) if (item < 0) break;
        },
        [there],
      ),
    );
    let sent = 0;
    // Nobody receives what the thread would answer, and nobody needs to.
    for (; sent < 10_000; sent++) yield* here.send(sent);
    yield* here.send(-1);
    yield* working.join();
  });
  expect(yield* caught(here.receive())).toBeInstanceOf(EndOfStream);
  expect(yield* caught(here.send(0))).toBeInstanceOf(BrokenResourceError);
  yield* here.close();
  expect(yield* caught(here.send(0))).toBeInstanceOf(ClosedResourceError);
});

// Not in virtual time, which stands still while the other end may still answer.
onRealClocks("a sender waits while nobody takes", function* () {
  const { port1, port2 } = new MessageChannel();
  const [left, right] = [threadStream<number>(port1, 3), threadStream<number>(port2, 3)];
  for (let item = 0; item < 3; item++) yield* left.send(item);
  let wasSent = false;
  yield* moveOnAfter(20, function* (): Coroutine<void> {
    yield* left.send(3);
    wasSent = true;
  });
  expect(wasSent).toBe(false);
  yield* left.close();
  const got: number[] = [];
  yield* forEach(right, (item) => void got.push(item));
  expect(got).toEqual([0, 1, 2]);
  yield* right.close();
});

each("those who wait are served in order, also when who is served asks again", function* () {
  const { port1, port2 } = new MessageChannel();
  const [left, right] = [threadStream<number>(port1, 2), threadStream<number>(port2, 2)];
  const got: [name: string, item: number][] = [];
  yield* taskGroup(function* (group) {
    for (const name of ["first", "second"]) {
      group.startSoon(function* () {
        for (let time = 0; time < 2; time++) got.push([name, yield* right.receive()]);
      });
      yield* waitAllTasksBlocked();
    }
    for (const item of [1, 2, 3, 4]) yield* left.send(item);
  });
  expect(got.map(([, item]) => item)).toEqual([1, 2, 3, 4]);
  expect(got.map(([name]) => name)).toEqual(["first", "second", "first", "second"]);
  yield* left.close();
  yield* right.close();
});

each("the end of one direction leaves the other open", function* () {
  const [here, there] = threadChannel<number, number>();
  yield* taskGroup(function* (group) {
    group.startSoon(
      runInThread(
        async (port: ThreadPort<number, number>) => {
          let sum = 0;
          for await (const item of port) sum += item;
          await port.send(sum);
        },
        [there],
      ),
    );
    for (let item = 1; item <= 100; item++) yield* here.send(item);
    yield* here.sendEof();
    expect(yield* here.receive()).toBe(5050);
    expect(yield* caught(here.receive())).toBeInstanceOf(EndOfStream);
  });
  yield* here.close();
});

each("a thread that dies breaks its channels with the cause, after what it had sent", function* () {
  const [here, there] = threadChannel<never, string>();
  yield* taskGroup(function* (group) {
    const working = group.startSoon(() =>
      caught(
        runInThread(
          async (port: ThreadPort<string, never>) => {
            await port.send("last words");
            await new Promise((resolve) => {
              setTimeout(resolve, 20);
            });
            setImmediate(() => {
              throw new RangeError("struck by lightning");
            });
            await new Promise(() => {});
          },
          [there],
        ),
      ),
    );
    expect(yield* here.receive()).toBe("last words");
    const broken = yield* caught(here.receive());
    expect(broken).toBeInstanceOf(BrokenResourceError);
    const died = yield* working.join();
    expect(died).toBeInstanceOf(BrokenResourceError);
    expect((broken as Error).cause).toBe(died);
    expect((died as Error).cause).toBeInstanceOf(RangeError);
  });
  yield* here.close();
});

each("a thread that never gets to work ends its channels", function* () {
  const nowhere = new URL("nowhere.mjs", import.meta.url);
  const absent = { module: new URL("worker-functions.mjs", import.meta.url), name: "absent" };
  for (const work of [{ module: nowhere }, absent]) {
    const [here, there] = threadChannel<number, never>();
    yield* caught(runInThread(work, [there]));
    expect(yield* caught(here.receive())).toBeInstanceOf(EndOfStream);
    expect(yield* caught(here.send(1))).toBeInstanceOf(BrokenResourceError);
    yield* here.close();
  }
});

test("a capacity that cannot be is refused", () => {
  for (const capacity of [0, -1, 1.5, Number.NaN, Infinity]) {
    expect(() => threadChannel(capacity)).toThrow(UsageError);
  }
});
