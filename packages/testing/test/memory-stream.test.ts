/** Memory streams: clones, statistics and hand-over, beyond the rules of object-stream.conformance.test.ts. */
import {
  BrokenResourceError,
  ClosedResourceError,
  EndOfStream,
  memoryStream,
  Queue,
  race,
  sleep,
  stapled,
  taskGroup,
  UsageError,
  WouldBlock,
} from "@anyloop/core";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, each, eachAsync } from "./each.ts";

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

each("operations and promises are no items", function* () {
  const [send] = memoryStream<unknown>(1);
  expect(() => send.send(sleep(1))).toThrow(UsageError);
  expect(() => send.send(Promise.resolve())).toThrow(UsageError);
  expect(() => new Queue<unknown>().putNowait(sleep(1))).toThrow(UsageError);
});

test("capacities that cannot be are refused with what to do", () => {
  for (const capacity of [-1, 1.5, Number.NaN]) {
    expect(() => memoryStream(capacity)).toThrow(/whole number, 0 or more/);
    expect(() => new Queue({ capacity })).toThrow(UsageError);
  }
  expect(() => new Queue({ capacity: 0 })).toThrow(/memoryStream/);
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
