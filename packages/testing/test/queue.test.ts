/** Queues: order, backpressure, and several runs at once. */
import {
  CancelScope,
  type Coroutine,
  moveOnAfter,
  Queue,
  run,
  sleep,
  taskGroup,
  UsageError,
  WouldBlock,
} from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, each } from "./each.ts";

each("a queue keeps the order it was given", function* () {
  const order = (queue: Queue<number>): number[] => {
    for (const item of [2, 3, 1]) queue.putNowait(item);
    return [queue.getNowait(), queue.getNowait(), queue.getNowait()];
  };
  expect(order(new Queue())).toEqual([2, 3, 1]);
  expect(order(new Queue({ order: "lifo" }))).toEqual([1, 3, 2]);
  expect(order(new Queue({ order: (a, b) => a - b }))).toEqual([1, 2, 3]);
});

each("a queue has backpressure, and join waits for taskDone", function* () {
  const queue = new Queue<number>({ capacity: 1 });
  const steps: string[] = [];
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      yield* queue.put(1);
      yield* queue.put(2);
      steps.push("put 2");
      yield* queue.join();
      steps.push("joined");
    });
    yield* waitAllTasksBlocked();
    expect(() => queue.putNowait(3)).toThrow(WouldBlock);
    expect(yield* queue.get()).toBe(1);
    queue.taskDone();
    yield* waitAllTasksBlocked();
    expect(yield* queue.get()).toBe(2);
    steps.push("got 2");
    queue.taskDone();
  });
  expect(steps).toEqual(["put 2", "got 2", "joined"]);
  expect(() => queue.taskDone()).toThrow(UsageError);
});

each("repeated get timeouts lose no item [curio univ_queue_cancel]", function* () {
  const queue = new Queue<number>({ capacity: 2 });
  const got: number[] = [];
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      for (let item = 0; item < 20; item++) {
        yield* sleep(0.3);
        yield* queue.put(item);
      }
    });
    while (got.length < 20) {
      const item = yield* moveOnAfter(0.2, queue.get());
      if (item !== undefined) got.push(item);
    }
  });
  expect(got).toEqual(Array.from({ length: 20 }, (_, item) => item));
});

test("a queue across runs and backends of one thread: every item once [curio univ_queue_multiple_kernels]", async () => {
  const queue = new Queue<number>({ capacity: 4 });
  const got: number[] = [];
  const consume = function* (): Coroutine<void> {
    for (;;) {
      const item = yield* queue.get();
      if (item < 0) return;
      got.push(item);
    }
  };
  const produce = function* (): Coroutine<void> {
    for (let item = 0; item < 100; item++) yield* queue.put(item);
    yield* queue.put(-1);
  };
  await Promise.all([
    run(consume, { backend: kernel() }),
    run(consume, { backend: native() }),
    run(produce, { backend: kernel() }),
    run(produce, { backend: native() }),
  ]);
  expect(got.sort((a, b) => a - b)).toEqual(
    Array.from({ length: 100 }, (_, item) => item).flatMap((item) => [item, item]),
  );
});

each("a queue whose comparison throws: a put that threw did not happen", function* () {
  let fails = false;
  const queue = new Queue<number>({
    order: (a, b) => {
      if (fails) throw new Error("no order");
      return a - b;
    },
  });
  queue.putNowait(1);
  fails = true;
  expect(() => queue.putNowait(2)).toThrow("no order");
  expect(queue.size).toBe(1);
  fails = false;
  expect(yield* queue.get()).toBe(1);
  queue.taskDone();
  const scope = new CancelScope({ timeout: 5 });
  yield* scope.run(queue.join());
  expect(scope.cancelCalled).toBe(false);
});

each("a queue whose comparison throws: a get that threw took nothing", function* () {
  let fails = false;
  const queue = new Queue<number>({
    capacity: 3,
    order: (a, b) => {
      if (fails) throw new Error("no order");
      return a - b;
    },
  });
  for (const item of [3, 1, 2]) queue.putNowait(item);
  yield* taskGroup(function* (group) {
    group.startSoon(queue.put(0));
    yield* waitAllTasksBlocked();
    fails = true;
    expect(yield* caught(queue.get())).toBeInstanceOf(Error);
    fails = false;
    const got: number[] = [];
    for (let count = 0; count < 4; count++) {
      const item = yield* moveOnAfter(5, queue.get());
      if (item !== undefined) got.push(item);
    }
    expect(got.sort()).toEqual([0, 1, 2, 3]);
    group.cancel();
  });
});

each("a queue's put cancelled while full leaves nothing, in any order", function* () {
  for (const order of ["fifo", "lifo", (a: number, b: number) => a - b] as const) {
    const queue = new Queue<number>({ capacity: 1, order });
    queue.putNowait(1);
    yield* moveOnAfter(1, queue.put(2));
    expect(queue.getNowait()).toBe(1);
    expect(() => queue.getNowait()).toThrow(WouldBlock);
  }
});

each("queue.join wakes everybody when the last item is done, and at once if there is none", function* () {
  const queue = new Queue<number>();
  yield* queue.join();
  queue.putNowait(1);
  yield* taskGroup(function* (group) {
    group.startSoon(queue.join());
    group.startSoon(queue.join());
    yield* waitAllTasksBlocked();
    yield* queue.get();
    yield* waitAllTasksBlocked();
    expect(group.tasks.size).toBe(2);
    queue.taskDone();
  });
  expect(() => queue.taskDone()).toThrow(/more often/);
});
