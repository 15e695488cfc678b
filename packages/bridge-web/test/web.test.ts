/** What the rules of bridges do not say: events sent, transforms, messages both ways, signals, generators that clean up. */
import {
  aborted,
  asyncIterable,
  events,
  fromAsyncIterable,
  fromBroadcastChannel,
  fromMessagePort,
  fromReadable,
  fromTransform,
  once,
  toEventTarget,
  toReadable,
  toTransform,
  withSignal,
  writableStream,
} from "@anyloop/bridge-web";
import {
  BrokenResourceError,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  forEach,
  fromPromise,
  memoryStream,
  moveOnAfter,
  type Operation,
  run,
  shield,
  sleep,
  sleepForever,
  taskGroup,
} from "@anyloop/core";
import { hostTurn } from "@anyloop/core/lowlevel";
import { kernel } from "@anyloop/kernel";
import { everyBackend, waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { hasCloseEvents } from "./close-events.ts";

function each(name: string, body: () => Coroutine<unknown>): void {
  for (const { name: title, perform } of everyBackend(name, body, { backends: ["native", "kernel"] })) {
    test(title, perform);
  }
}

/** A test of what some hosts do not tell; there it is skipped. */
function eachWith(isTold: boolean, name: string, body: () => Coroutine<unknown>): void {
  if (isTold) each(name, body);
  else test.skip(`${name} [this host has no close events]`);
}

function* caught(work: Operation<unknown>): Coroutine<unknown> {
  try {
    yield* work;
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
}

async function readAll<T>(readable: ReadableStream<T>): Promise<T[]> {
  const items: T[] = [];
  const reader = readable.getReader();
  for (;;) {
    const result = await reader.read();
    if (result.done) return items;
    items.push(result.value);
  }
}

each(
  "what is sent to an event target is dispatched, and its listeners are done when the send is",
  function* () {
    const target = new EventTarget();
    const heard: number[] = [];
    target.addEventListener("item", (event) => void heard.push((event as CustomEvent<number>).detail));
    const send = toEventTarget(target, (detail: number) => new CustomEvent("item", { detail }));
    yield* send.send(1);
    expect(heard).toEqual([1]);
    yield* moveOnAfter(0, send.send(2));
    yield* send.close();
    expect(yield* caught(send.send(3))).toBeInstanceOf(ClosedResourceError);
    expect(heard).toEqual([1]);
  },
);

each("once gives the next event; cancelled, it listens no more", function* () {
  const target = new EventTarget();
  setTimeout(() => target.dispatchEvent(new Event("tick")), 1);
  expect((yield* once(target, "tick")).type).toBe("tick");
  expect(yield* moveOnAfter(1, once(target, "tick"))).toBeUndefined();
  target.dispatchEvent(new Event("tick"));
});

each("a full buffer drops the newest or the oldest where that was asked for", function* () {
  const target = new EventTarget();
  const newest = events<CustomEvent<number>>(target, "item", { capacity: 2, whenFull: "drop-newest" });
  const oldest = events<CustomEvent<number>>(target, "item", { capacity: 2, whenFull: "drop-oldest" });
  for (const detail of [1, 2, 3]) target.dispatchEvent(new CustomEvent("item", { detail }));
  expect([(yield* newest.receive()).detail, (yield* newest.receive()).detail]).toEqual([1, 2]);
  expect([(yield* oldest.receive()).detail, (yield* oldest.receive()).detail]).toEqual([2, 3]);
  yield* newest.close();
  yield* oldest.close();
});

each("a stream of ours is read as a web stream, to its end and to its failure", function* () {
  yield* taskGroup(function* (group) {
    const [send, receive] = memoryStream<number>(3);
    for (const item of [1, 2, 3]) send.sendNowait(item);
    yield* send.close();
    expect(yield* fromPromise(readAll(toReadable(group, receive)))).toEqual([1, 2, 3]);
  });
});

each("cancelling the web stream closes the stream of ours", function* () {
  yield* taskGroup(function* (group) {
    const [send, receive] = memoryStream<number>();
    const reader = toReadable(group, receive).getReader();
    yield* send.send(1);
    expect((yield* fromPromise(reader.read())).value).toBe(1);
    yield* fromPromise(reader.cancel(new Error("enough")));
    const sending = function* (): Coroutine<void> {
      for (;;) yield* send.send(2);
    };
    expect(yield* caught(new CancelScope().run(sending))).toBeInstanceOf(BrokenResourceError);
  });
});

each("a transform of ours stands in a web pipe; theirs stands between two ends of ours", function* () {
  yield* taskGroup(function* (group) {
    const doubled = toTransform<number, number>(group, function* (receive, send) {
      yield* forEach(receive, (item) => send.send(item * 2));
    });
    const [send, receive] = fromTransform(new TransformStream<number, number>());
    group.startSoon(function* () {
      for (const item of [1, 2, 3]) yield* send.send(item);
      yield* send.close();
    });
    const piped = toReadable(group, receive).pipeThrough(doubled);
    expect(yield* fromPromise(readAll(piped))).toEqual([2, 4, 6]);
  });
});

each("a transform of ours that fails tells both of its sides and the group", function* () {
  const boom = new Error("boom");
  let seen: unknown;
  const work = taskGroup(function* (group) {
    const broken = toTransform<number, number>(group, function* (receive) {
      yield* receive.receive();
      throw boom;
    });
    const writer = broken.writable.getWriter();
    writer.closed.catch(() => {});
    void writer.write(1).catch(() => {});
    seen = yield* shield(() => caught(fromPromise(readAll(broken.readable))));
  });
  expect(yield* caught(work)).toBe(boom);
  expect(seen).toBe(boom);
});

each("messages go both ways through a port, what is transferred included", function* () {
  const { port1, port2 } = new MessageChannel();
  const [left, right] = [fromMessagePort<ArrayBuffer>(port1), fromMessagePort<ArrayBuffer>(port2)];
  const buffer = new ArrayBuffer(8);
  yield* left.send(buffer, { transfer: [buffer] });
  expect(buffer.byteLength).toBe(0);
  const got = yield* right.receive();
  expect(got.byteLength).toBe(8);
  yield* right.send(got);
  expect((yield* left.receive()).byteLength).toBe(8);
  const refused = yield* caught(left.send((() => {}) as never));
  expect((refused as Error).name).toBe("DataCloneError");
  yield* left.close();
  yield* right.close();
  expect(yield* caught(left.send(buffer))).toBeInstanceOf(ClosedResourceError);
});

eachWith(
  hasCloseEvents,
  "once the other end of a port was closed, a send is Broken and a receive is at the end",
  function* () {
    const { port1, port2 } = new MessageChannel();
    const [left, right] = [fromMessagePort<number>(port1), fromMessagePort<number>(port2)];
    yield* right.close();
    expect(yield* caught(left.receive())).toBeInstanceOf(EndOfStream);
    expect(yield* caught(left.send(1))).toBeInstanceOf(BrokenResourceError);
    yield* left.close();
  },
);

each("an abort is heard at once, also while a write waits for room", function* () {
  const [writable, receive] = writableStream<number>();
  const writer = writable.getWriter();
  const boom = new Error("boom");
  let written = 0;
  for (let item = 0; item < 100; item++) {
    void writer.write(item).then(
      () => written++,
      () => {},
    );
  }
  yield* waitAllTasksBlocked();
  yield* fromPromise(new Promise<void>(hostTurn));
  yield* fromPromise(writer.abort(boom));
  const got: number[] = [];
  const error = yield* caught(forEach(receive, (item) => void got.push(item)));
  expect(error).toMatchObject({ name: "BrokenResourceError", cause: boom });
  expect(got).toEqual([...Array(written).keys()]);
  expect(written).toBeGreaterThan(0);
});

each("a broadcast channel brings what others post, and posts to all of them", function* () {
  const name = `anyloop-${String(Math.random())}`;
  const [a, b, c] = [0, 1, 2].map(() => fromBroadcastChannel<string>(new BroadcastChannel(name)));
  if (a === undefined || b === undefined || c === undefined) throw new Error("never");
  yield* a.send("hello");
  expect([yield* b.receive(), yield* c.receive()]).toEqual(["hello", "hello"]);
  for (const end of [a, b, c]) yield* end.close();
});

each("a signal cancels the work, and its reason is thrown after the real end", function* () {
  const controller = new AbortController();
  const reason = new Error("enough");
  const steps: string[] = [];
  const work = withSignal(controller.signal, function* () {
    try {
      yield* sleepForever();
    } finally {
      yield* shield(sleep(1));
      steps.push("cleaned");
    }
  });
  setTimeout(() => controller.abort(reason), 1);
  expect(yield* caught(work)).toBe(reason);
  expect(steps).toEqual(["cleaned"]);
  expect(yield* caught(withSignal(controller.signal, () => steps.push("run")))).toBe(reason);
  expect(yield* aborted(controller.signal)).toBe(reason);
  expect(steps).toEqual(["cleaned"]);
});

each("waiting for a signal ends when it is aborted, and can be cancelled", function* () {
  const controller = new AbortController();
  expect(yield* moveOnAfter(1, aborted(controller.signal))).toBeUndefined();
  setTimeout(() => controller.abort("now"), 1);
  expect(yield* aborted(controller.signal)).toBe("now");
});

each("an iterator that throws as it is left has been left all the same", function* () {
  const boom = new Error("boom");
  const stream = fromAsyncIterable<number>({
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.resolve({ done: false, value: 1 }),
      return() {
        throw boom;
      },
    }),
  });
  expect(yield* stream.receive()).toBe(1);
  expect(yield* caught(stream.close())).toBe(boom);
  expect(yield* caught(stream.receive())).toBeInstanceOf(ClosedResourceError);
});

each("closing waits until an async generator has cleaned up", function* () {
  const steps: string[] = [];
  async function* items(): AsyncGenerator<number> {
    try {
      yield 1;
      yield 2;
    } finally {
      await new Promise((resolve) => void setTimeout(resolve, 1));
      steps.push("cleaned");
    }
  }
  const stream = fromAsyncIterable(items());
  expect(yield* stream.receive()).toBe(1);
  yield* stream.close();
  expect(steps).toEqual(["cleaned"]);
});

test("leaving a loop in plain code breaks the sending end", async () => {
  const [send, items] = asyncIterable<number>();
  const sending = run(
    function* () {
      for (let item = 0; ; item++) yield* send.send(item);
    },
    { backend: kernel() },
  );
  for await (const item of items) if (item === 2) break;
  await expect(sending).rejects.toBeInstanceOf(BrokenResourceError);
});

each("a read that is cancelled leaves its item for the next", function* () {
  const { readable, writable } = new TransformStream<number, number>();
  const stream = fromReadable(readable);
  yield* taskGroup(function* (group) {
    const reader = group.startSoon(stream.receive());
    yield* waitAllTasksBlocked();
    reader.cancel();
    yield* reader.wait();
    void writable.getWriter().write(7);
    expect(yield* stream.receive()).toBe(7);
  });
  yield* stream.close();
});

each("an item that is owed is not asked for again, and those who wait get theirs in order", function* () {
  const answers: ((result: IteratorResult<number>) => void)[] = [];
  let asked = 0;
  const iterator: AsyncIterator<number> = {
    next() {
      asked++;
      return new Promise((resolve) => void answers.push(resolve));
    },
  };
  const stream = fromAsyncIterable({ [Symbol.asyncIterator]: () => iterator });
  for (let turn = 0; turn < 3; turn++) yield* moveOnAfter(1, stream.receive());
  expect(asked).toBe(1);
  const got: number[] = [];
  yield* taskGroup(function* (group) {
    for (let receiver = 0; receiver < 3; receiver++) {
      group.startSoon(function* () {
        got.push(receiver, yield* stream.receive());
      });
    }
    for (let item = 10; item < 13; item++) {
      yield* waitAllTasksBlocked();
      answers.shift()?.({ done: false, value: item });
    }
  });
  expect(asked).toBe(3);
  expect(got).toEqual([0, 10, 1, 11, 2, 12]);
  yield* stream.close();
});
