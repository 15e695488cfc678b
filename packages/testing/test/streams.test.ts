/** The contract of memory streams and queues. */
import {
  BrokenResourceError,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  Event,
  forEach,
  fromPromise,
  generate,
  isCancelled,
  moveOnAfter,
  memoryStream,
  type Operation,
  operation,
  Queue,
  run,
  sleep,
  sleepForever,
  stapled,
  type Task,
  taskGroup,
  use,
  UsageError,
  WouldBlock,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { kernel } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

each("items pass in order, at capacity 0, 1 and unbounded", function* () {
  for (const capacity of [0, 1, Infinity]) {
    const [send, receive] = memoryStream<number>(capacity);
    const items: number[] = [];
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        for (let item = 0; item < 10; item++) yield* send.send(item);
        yield* send.close();
      });
      yield* forEach(receive, (item) => void items.push(item));
    });
    expect(items).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  }
});

eachAsync("items pass in async style, read with for await; break leaves the stream open", async () => {
  const [send, receive] = memoryStream<number>();
  const items: number[] = [];
  await taskGroup(async (group) => {
    group.startSoon(async () => {
      for (let item = 0; item < 4; item++) await send.send(item);
      await send.close();
    });
    for await (const item of receive) {
      items.push(item);
      if (item === 1) break;
    }
    for await (const item of receive) items.push(item);
  });
  expect(items).toEqual([0, 1, 2, 3]);
});

each("a cancelled receive or send leaves nothing registered [anyio cancel_send]", function* () {
  const [send, receive] = memoryStream<string>();
  yield* taskGroup(function* (group) {
    const sender = group.startSoon(send.send("lost?"));
    yield* waitAllTasksBlocked();
    expect(send.statistics().tasksWaitingSend).toBe(1);
    sender.cancel();
    yield* sender.wait();
    expect(send.statistics().tasksWaitingSend).toBe(0);
    expect(() => receive.receiveNowait()).toThrow(WouldBlock);
    const receiver = group.startSoon(receive.receive());
    yield* waitAllTasksBlocked();
    receiver.cancel();
    yield* receiver.wait();
    expect(receive.statistics().tasksWaitingReceive).toBe(0);
    expect(() => send.sendNowait("x")).toThrow(WouldBlock);
  });
});

each(
  "the last sender closes while a receiver waits: end of stream [anyio close_send_while_receiving]",
  function* () {
    const [send, receive] = memoryStream<string>();
    const other = send.clone();
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        expect(yield* caught(receive.receive())).toBeInstanceOf(EndOfStream);
      });
      yield* waitAllTasksBlocked();
      yield* send.close();
      yield* waitAllTasksBlocked();
      expect(receive.statistics().tasksWaitingReceive).toBe(1);
      yield* other.close();
    });
  },
);

each(
  "the last receiver closes while a sender waits: broken [anyio close_receive_while_sending]",
  function* () {
    const [send, receive] = memoryStream<string>();
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        expect(yield* caught(send.send("x"))).toBeInstanceOf(BrokenResourceError);
      });
      yield* waitAllTasksBlocked();
      yield* receive.close();
    });
    expect(yield* caught(send.send("y"))).toBeInstanceOf(BrokenResourceError);
  },
);

each("buffered items survive the sender's close [anyio receive_after_send_closed]", function* () {
  const [send, receive] = memoryStream<string>(1);
  yield* send.send("kept");
  yield* send.close();
  expect(yield* receive.receive()).toBe("kept");
  expect(yield* caught(receive.receive())).toBeInstanceOf(EndOfStream);
});

each("in a cancelled scope no item is taken or put [anyio receive_when_cancelled]", function* () {
  const [send, receive] = memoryStream<string>(2);
  yield* send.send("kept");
  yield* new CancelScope().run(function* (scope) {
    scope.cancel();
    yield* caught(receive.receive());
    yield* caught(send.send("not put"));
  });
  expect(receive.receiveNowait()).toBe("kept");
  expect(send.statistics().currentBufferUsed).toBe(0);
});

each(
  "a side closes when its last clone closes; cloning a closed handle fails [anyio clone_closed]",
  function* () {
    const [send, receive] = memoryStream<string>(1);
    const clone = send.clone();
    yield* send.close();
    yield* send.close();
    expect(() => send.clone()).toThrow(ClosedResourceError);
    expect(yield* caught(send.send("x"))).toBeInstanceOf(ClosedResourceError);
    yield* clone.send("y");
    expect(send.statistics()).toMatchObject({ openSendStreams: 1, openReceiveStreams: 1, peakBufferUsed: 1 });
    yield* clone.close();
    expect(yield* receive.receive()).toBe("y");
    yield* receive.close();
    expect(() => receive.clone()).toThrow(ClosedResourceError);
    expect(() => receive.receiveNowait()).toThrow(ClosedResourceError);
  },
);

each("closing a handle wakes only the tasks blocked on that handle", function* () {
  const [send, receive] = memoryStream<string>();
  const clone = receive.clone();
  yield* taskGroup(function* (group) {
    const onClone = group.startSoon(function* () {
      return yield* caught(clone.receive());
    });
    const onFirst = group.startSoon(receive.receive());
    yield* waitAllTasksBlocked();
    yield* clone.close();
    expect(yield* onClone.join()).toBeInstanceOf(ClosedResourceError);
    expect(onFirst.status).toBe("running");
    yield* send.send("x");
    expect(yield* onFirst.join()).toBe("x");
  });
});

each("close takes effect in a cancelled scope, then the cancellation is thrown", function* () {
  const [send, receive] = memoryStream<string>();
  const scope = new CancelScope();
  yield* scope.run(function* () {
    scope.cancel();
    yield* send.close();
  });
  expect(scope.cancelledCaught).toBe(true);
  expect(yield* caught(receive.receive())).toBeInstanceOf(EndOfStream);
});

each("an item handed over is not lost when its receiver is cancelled in the same turn", function* () {
  const [send, receive] = memoryStream<number>();
  const got: number[] = [];
  yield* taskGroup(function* (group) {
    const receiver = group.startSoon(function* () {
      got.push(yield* receive.receive());
      yield* sleepForever();
    });
    yield* waitAllTasksBlocked();
    send.sendNowait(1);
    receiver.cancel();
  });
  expect(got).toEqual([1]);
});

each("every item exactly once under cancellations", function* () {
  const [send, receive] = memoryStream<number>(1);
  const got: number[] = [];
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      for (let item = 0; item < 50; item++) yield* send.send(item);
      yield* send.close();
    });
    for (;;) {
      const next = yield* moveOnAfter(0.01, receive.next());
      if (next === undefined) yield* checkpoint();
      else if (next.done === true) break;
      else got.push(next.value);
    }
  });
  expect(got).toEqual(Array.from({ length: 50 }, (_, item) => item));
});

each("operations and promises are no items", function* () {
  const [send] = memoryStream<unknown>(1);
  expect(() => send.send(sleep(1))).toThrow(UsageError);
  expect(() => send.send(Promise.resolve())).toThrow(UsageError);
  expect(() => new Queue<unknown>().putNowait(sleep(1))).toThrow(UsageError);
});

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

test("capacities that cannot be are refused with what to do", () => {
  for (const capacity of [-1, 1.5, Number.NaN]) {
    expect(() => memoryStream(capacity)).toThrow(/whole number, 0 or more/);
    expect(() => new Queue({ capacity })).toThrow(UsageError);
  }
  expect(() => new Queue({ capacity: 0 })).toThrow(/memoryStream/);
});

each("generate runs its source in a task of its own, ended with the body", function* () {
  const steps: string[] = [];
  const first = yield* generate<number, number>(
    function* (emit) {
      try {
        for (let item = 1; ; item++) yield* emit(item);
      } finally {
        steps.push("source ended");
      }
    },
    function* (stream) {
      yield* stream.receive();
      return yield* stream.receive();
    },
  );
  steps.push("after");
  expect(first).toBe(2);
  expect(steps).toEqual(["source ended", "after"]);
});

each("generate: an error of the source is thrown", function* () {
  const boom = new Error("boom");
  const error = yield* caught(
    generate<number, void>(
      function* (emit) {
        yield* emit(1);
        throw boom;
      },
      (stream) => forEach(stream, () => {}),
    ),
  );
  expect(error).toBe(boom);
});

each("use closes in every case and reports both errors", function* () {
  const closed: string[] = [];
  const resource = {
    close(): void {
      closed.push("closed");
    },
  };
  expect(yield* use(resource, () => 1)).toBe(1);
  const boom = new Error("boom");
  expect(
    yield* caught(
      use(resource, () => {
        throw boom;
      }),
    ),
  ).toBe(boom);
  yield* moveOnAfter(1, use(resource, sleepForever));
  expect(closed).toHaveLength(3);
  const both = yield* caught(
    use(
      {
        async [Symbol.asyncDispose](): Promise<void> {
          await Promise.resolve();
          throw new Error("close");
        },
      },
      () => {
        throw boom;
      },
    ),
  );
  expect((both as AggregateError).errors.map(String)).toEqual(["Error: boom", "Error: close"]);
});

each("a stapled stream sends on one and receives on the other", function* () {
  const [send, receive] = memoryStream<number>(1);
  const both = stapled(send, receive);
  yield* both.send(1);
  yield* both.sendEof();
  expect(yield* both.receive()).toBe(1);
  expect((yield* both.next()).done).toBe(true);
  yield* both.close();
  expect(yield* caught(receive.receive())).toBeInstanceOf(ClosedResourceError);
});

each("fromPromise waits, passes errors, and stops waiting when cancelled", function* () {
  expect(yield* fromPromise(Promise.resolve(1))).toBe(1);
  const boom = new Error("boom");
  expect(yield* caught(fromPromise(Promise.reject(boom)))).toBe(boom);
  yield* taskGroup(function* (group) {
    const stuck = group.startSoon(fromPromise(new Promise(() => {})));
    yield* waitAllTasksBlocked();
    stuck.cancel();
    yield* stuck.wait();
    expect(stuck.status).toBe("cancelled");
  });
});

/** Runs the work and cancels it once it waits; gives the task, ended. */
const cancelled: (work: Operation<unknown>) => Operation<Task<unknown>> = operation(function* cancelled(
  work: Operation<unknown>,
): Coroutine<Task<unknown>> {
  return yield* taskGroup(function* (group) {
    const task = group.startSoon(function* () {
      try {
        return yield* work;
      } catch (error) {
        return error;
      }
    });
    yield* waitAllTasksBlocked();
    task.cancel();
    yield* task.wait();
    return task;
  });
});

/** A promise that settles only after its signal was aborted. */
const onAbort = (settle: (resolve: (value: string) => void, reject: (error: unknown) => void) => void) =>
  fromPromise(
    (signal) =>
      new Promise<string>((resolve, reject) => {
        signal.addEventListener("abort", () => setTimeout(() => settle(resolve, reject), 1));
      }),
  );

each("fromPromise with a function aborts its signal and waits for the real end; a value wins", function* () {
  expect((yield* cancelled(onAbort((resolve) => resolve("value")))).value).toBe("value");
  const aborted = yield* cancelled(onAbort((_, reject) => reject(new DOMException("x", "AbortError"))));
  expect(isCancelled(aborted.value)).toBe(true);
  const boom = new Error("boom");
  expect((yield* cancelled(onAbort((_, reject) => reject(boom)))).value).toBe(boom);
});

eachAsync("operations can be awaited inside the function given to fromPromise", function* () {
  const event = new Event();
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      yield* waitAllTasksBlocked();
      event.set();
    });
    expect(
      yield* fromPromise(async () => {
        await event.wait();
        return "through";
      }),
    ).toBe("through");
  });
});
