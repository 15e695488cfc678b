/** Further cases of memory streams, queues and generated streams. */
import {
  BrokenResourceError,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  type Emit,
  EndOfStream,
  Event,
  forEach,
  fromPromise,
  generate,
  isCancelled,
  memoryStream,
  moveOnAfter,
  Queue,
  race,
  sleep,
  sleepForever,
  taskGroup,
  WouldBlock,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

each(
  "waiting senders are served in order, each item once [trio channel_fairness, multiple_producers]",
  function* () {
    const [send, receive] = memoryStream<number>();
    const got: number[] = [];
    yield* taskGroup(function* (group) {
      for (let item = 0; item < 5; item++) {
        group.startSoon(send.send(item));
        yield* waitAllTasksBlocked();
      }
      for (let count = 0; count < 5; count++) got.push(yield* receive.receive());
    });
    expect(got).toEqual([0, 1, 2, 3, 4]);
  },
);

each("a hand-over at capacity 0 needs both sides [trio unbuffered]", function* () {
  const [send, receive] = memoryStream<number>(0);
  expect(() => receive.receiveNowait()).toThrow(WouldBlock);
  expect(() => send.sendNowait(1)).toThrow(WouldBlock);
  yield* taskGroup(function* (group) {
    group.startSoon(send.send(1));
    yield* waitAllTasksBlocked();
    expect(receive.receiveNowait()).toBe(1);
  });
  expect(() => receive.receiveNowait()).toThrow(WouldBlock);
});

each(
  "a sender goes on once receiveNowait made room [anyio send_is_unblocked_after_receive_nowait]",
  function* () {
    const [send, receive] = memoryStream<number>(1);
    send.sendNowait(1);
    yield* taskGroup(function* (group) {
      group.startSoon(send.send(2));
      yield* waitAllTasksBlocked();
      expect([receive.receiveNowait(), receive.receiveNowait()]).toEqual([1, 2]);
    });
  },
);

each("statistics tell every change [anyio statistics]", function* () {
  const [send, receive] = memoryStream<number>(1);
  const sendClone = send.clone();
  const receiveClone = receive.clone();
  expect(send.statistics()).toMatchObject({ openSendStreams: 2, openReceiveStreams: 2, maxBufferSize: 1 });
  yield* taskGroup(function* (group) {
    send.sendNowait(1);
    group.startSoon(sendClone.send(2));
    yield* waitAllTasksBlocked();
    expect(send.statistics()).toMatchObject({ currentBufferUsed: 1, tasksWaitingSend: 1, peakBufferUsed: 1 });
    receive.receiveNowait();
    receive.receiveNowait();
    group.startSoon(receiveClone.receive());
    yield* waitAllTasksBlocked();
    expect(receive.statistics()).toMatchObject({ currentBufferUsed: 0, tasksWaitingReceive: 1 });
    send.sendNowait(3);
  });
  for (const end of [send, sendClone, receive, receiveClone]) {
    yield* end.close();
    yield* end.close();
  }
  expect(send.statistics()).toMatchObject({ openSendStreams: 0, openReceiveStreams: 0 });
});

each("sending to nobody is broken at once, also while items are buffered", function* () {
  const [send, receive] = memoryStream<number>(5);
  send.sendNowait(1);
  yield* receive.close();
  expect(() => send.sendNowait(2)).toThrow(BrokenResourceError);
  expect(yield* caught(send.send(2))).toBeInstanceOf(BrokenResourceError);
  expect(yield* caught(receive.receive())).toBeInstanceOf(ClosedResourceError);
});

each("own close is told before the other side's [trio close_basics]", function* () {
  const [send, receive] = memoryStream<number>();
  yield* receive.close();
  yield* send.close();
  expect(yield* caught(send.send(1))).toBeInstanceOf(ClosedResourceError);
  expect(yield* caught(receive.receive())).toBeInstanceOf(ClosedResourceError);
});

each("closing one of two sending handles ends nothing; closing the second ends all receivers", function* () {
  const [send, receive] = memoryStream<number>();
  const clone = send.clone();
  const errors: unknown[] = [];
  yield* taskGroup(function* (group) {
    for (let index = 0; index < 3; index++) {
      group.startSoon(function* () {
        errors.push(yield* caught(receive.receive()));
      });
    }
    yield* waitAllTasksBlocked();
    yield* send.close();
    yield* waitAllTasksBlocked();
    expect(errors).toEqual([]);
    yield* clone.close();
  });
  expect(errors.length).toBe(3);
  for (const error of errors) expect(error).toBeInstanceOf(EndOfStream);
});

each("two rivals of one race receive when the sender closes, and one more behind them", function* () {
  const [send, receive] = memoryStream<number>();
  const errors: unknown[] = [];
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      errors.push(yield* caught(race([receive.receive(), receive.receive()])));
    });
    yield* waitAllTasksBlocked();
    group.startSoon(function* () {
      errors.push(yield* caught(receive.receive()));
    });
    yield* waitAllTasksBlocked();
    yield* send.close();
  });
  for (const error of errors) expect(error).toBeInstanceOf(EndOfStream);
  expect(errors.length).toBe(2);
});

each("race of receive and send on one stream hands over to the other side or to neither", function* () {
  const [send, receive] = memoryStream<number>();
  const [first, result] = yield* taskGroup(function* (group) {
    const racer = group.startSoon(race([send.send(1), receive.receive()]));
    yield* racer.wait();
    return [racer.status, racer.value] as const;
  });
  // The two of one race may meet each other: then exactly one of them counts.
  expect(first).toBe("finished");
  expect([undefined, 1]).toContain(result);
  expect(receive.statistics()).toMatchObject({ tasksWaitingReceive: 0, tasksWaitingSend: 0 });
});

each("a receiver cancelled before, in and after the turn of the hand-over loses nothing", function* () {
  for (const when of ["before", "after"]) {
    const [send, receive] = memoryStream<number>();
    const got: number[] = [];
    yield* taskGroup(function* (group) {
      const receiver = group.startSoon(function* () {
        got.push(yield* receive.receive());
      });
      yield* waitAllTasksBlocked();
      if (when === "before") receiver.cancel();
      let sent = true;
      try {
        send.sendNowait(1);
      } catch {
        sent = false;
      }
      if (when === "after") receiver.cancel();
      yield* receiver.wait();
      expect(got.length).toBe(sent ? 1 : 0);
    });
  }
});

each("an item that is undefined or null is an item", function* () {
  const [send, receive] = memoryStream<undefined | null>(2);
  send.sendNowait(undefined);
  send.sendNowait(null);
  yield* send.close();
  expect(yield* receive.next()).toEqual({ done: false, value: undefined });
  expect(yield* receive.next()).toEqual({ done: false, value: null });
  expect(yield* receive.next()).toEqual({ done: true, value: undefined });
  const queue = new Queue<undefined>();
  queue.putNowait(undefined);
  expect(yield* queue.get()).toBe(undefined);
});

each("one receive operation performed twice at once gets two items", function* () {
  const [send, receive] = memoryStream<number>();
  const once = receive.receive();
  yield* taskGroup(function* (group) {
    const tasks = [group.startSoon(once), group.startSoon(once)];
    yield* waitAllTasksBlocked();
    send.sendNowait(1);
    send.sendNowait(2);
    const values = [
      yield* (tasks[0] as (typeof tasks)[0]).join(),
      yield* (tasks[1] as (typeof tasks)[0]).join(),
    ];
    expect(values.sort()).toEqual([1, 2]);
  });
});

eachAsync("closing in async style while cancelled closes", async () => {
  const [send, receive] = memoryStream<number>();
  await moveOnAfter(0, async () => {
    try {
      await sleepForever();
    } finally {
      await send.close().catch((error: unknown) => expect(isCancelled(error)).toBe(true));
    }
  });
  await expect(receive.receive()).rejects.toBeInstanceOf(EndOfStream);
});

eachAsync(
  "for await ends when the stream is closed by its reader's neighbour [trio close_between_iteration]",
  async () => {
    const [send, receive] = memoryStream<number>(1);
    send.sendNowait(1);
    const got: number[] = [];
    const reading = async (): Promise<void> => {
      for await (const item of receive) {
        got.push(item);
        await receive.close();
      }
    };
    await expect(reading()).rejects.toBeInstanceOf(ClosedResourceError);
    expect(got).toEqual([1]);
  },
);

each("an error in forEach's body leaves the stream open with what is left", function* () {
  const [send, receive] = memoryStream<number>(2);
  send.sendNowait(1);
  send.sendNowait(2);
  const boom = new Error("boom");
  const error = yield* caught(
    forEach(receive, () => {
      throw boom;
    }),
  );
  expect(error).toBe(boom);
  expect(receive.receiveNowait()).toBe(2);
});

each(
  "generate: a reader that closes the stream ends the source in order [trio as_safe_channel_broken_resource]",
  function* () {
    let cleaned = false;
    yield* generate<number, void>(
      function* (emit) {
        try {
          for (let item = 0; ; item++) yield* emit(item);
        } finally {
          cleaned = true;
        }
      },
      function* (stream) {
        yield* stream.receive();
        yield* waitAllTasksBlocked();
        yield* stream.close();
        expect(yield* caught(stream.receive())).toBeInstanceOf(ClosedResourceError);
        yield* waitAllTasksBlocked();
      },
    );
    expect(cleaned).toBe(true);
  },
);

each(
  "generate: an error after the last item is thrown, the items before are read [trio as_safe_channel_no_race]",
  function* () {
    const boom = new Error("boom");
    const got: number[] = [];
    const error = yield* caught(
      generate<number, void>(
        function* (emit) {
          yield* emit(1);
          throw boom;
        },
        (stream) =>
          (function* () {
            yield* forEach(stream, (item) => {
              got.push(item);
            });
          })(),
      ),
    );
    expect(error).toBe(boom);
    expect(got).toEqual([1]);
  },
);

each("generate: body and source fail, both are told [trio as_safe_channel_genexit_finally]", function* () {
  const error = yield* caught(
    generate<number, void>(
      function* (emit) {
        try {
          yield* emit(1);
          yield* emit(2);
        } catch {
          throw new Error("source");
        }
      },
      function* (stream) {
        yield* stream.receive();
        throw new Error("body");
      },
    ),
  );
  const messages = (error as AggregateError).errors.map((one) => (one as Error).message);
  expect(messages.sort()).toEqual(["body", "source"]);
});

each("generate inside generate [trio as_safe_channel_nested_loop]", function* () {
  const pairs: string[] = [];
  const two = function* (emit: Emit<number>): Coroutine<void> {
    yield* emit(0);
    yield* emit(1);
  };
  yield* generate<number, void>(two, (outer) =>
    forEach(outer, (a) =>
      generate<number, void>(two, (inner) =>
        forEach(inner, (b) => {
          pairs.push(`${String(a)}${String(b)}`);
        }),
      ),
    ),
  );
  expect(pairs).toEqual(["00", "01", "10", "11"]);
});

each(
  "generate: a scope inside the source does not leak [trio as_safe_channel_doesnt_leak_cancellation]",
  function* () {
    let reached = false;
    yield* generate<number, void>(
      function* (emit) {
        yield* emit(1);
        yield* moveOnAfter(0, emit(2));
      },
      function* (stream) {
        yield* forEach(stream, () => {});
        yield* checkpoint();
        reached = true;
      },
    );
    expect(reached).toBe(true);
  },
);

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

each("fromPromise of an object whose then calls back at once, or throws", function* () {
  const now = { then: (resolve: (value: number) => void) => resolve(5) } as unknown as PromiseLike<number>;
  expect(yield* fromPromise(now)).toBe(5);
  const boom = new Error("boom");
  const bad = {
    then: () => {
      throw boom;
    },
  } as unknown as PromiseLike<number>;
  expect(yield* caught(fromPromise(bad))).toBe(boom);
  yield* sleep(2);
  yield* moveOnAfter(1, sleepForever());
});

eachAsync("fromPromise of a function that gives an operation performs it", function* () {
  expect(yield* fromPromise(() => sleep(1).then(() => 3))).toBe(3);
  yield* fromPromise(() => sleep(1));
});

each("fromPromise cancelled before, during and in the turn of its promise", function* () {
  let resolve: (value: number) => void = () => {};
  const promise = new Promise<number>((settle) => {
    resolve = settle;
  });
  yield* moveOnAfter(0, fromPromise(promise));
  yield* taskGroup(function* (group) {
    group.startSoon(fromPromise(promise));
    yield* waitAllTasksBlocked();
    group.cancel();
  });
  yield* taskGroup(function* (group) {
    const waiter = group.startSoon(fromPromise(promise));
    yield* waitAllTasksBlocked();
    resolve(1);
    waiter.cancel();
    yield* waiter.wait();
    expect(waiter.status).toBe("cancelled");
  });
  expect(yield* fromPromise(promise)).toBe(1);
});

eachAsync("an operation awaited inside then() called by hand", async () => {
  const value = await sleep(1).then(
    async () => {
      await sleep(1);
      return 5;
    },
    (error: unknown) => {
      throw error;
    },
  );
  expect(value).toBe(5);
});

eachAsync("then() called by hand calls back later, never at once", async () => {
  const event = new Event();
  event.set();
  const order: string[] = [];
  const done = event.wait().then(
    () => order.push("then"),
    () => order.push("failed"),
  );
  order.push("after");
  await done;
  expect(order).toEqual(["after", "then"]);
});
