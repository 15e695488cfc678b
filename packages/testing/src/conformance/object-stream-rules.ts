/** The rules of object streams, one by one. */
import {
  BrokenResourceError,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  forEach,
  moveOnAfter,
  type ObjectReceiveStream,
  type ObjectSendStream,
  race,
  sleepForever,
  taskGroup,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "../wait-all-tasks-blocked.ts";
import { closeCancelled, check, checkSame, checkThrows, startWaiting } from "./check.ts";

/** What is sent into the first comes out of the second. The items are numbers. */
export type ObjectPair = readonly [send: ObjectSendStream<number>, receive: ObjectReceiveStream<number>];

export interface PairRule {
  readonly rule: string;
  body(pair: ObjectPair): Coroutine<void>;
}

/** More than any stream of the tests buffers, for those that do. */
const many = 1000;

/** Sends 0, 1, 2, … and notes what was sent. */
function* sendUpTo(send: ObjectSendStream<number>, count: number, sent: number[]): Coroutine<void> {
  for (let item = 0; item < count; item++) {
    yield* send.send(item);
    sent.push(item);
  }
}

function* receiveAll(receive: ObjectReceiveStream<number>, into: number[]): Coroutine<void> {
  yield* forEach(receive, (item) => void into.push(item));
}

/** Fails unless sending is broken, at once or after what the carrier still takes, and stays so. */
function* checkBroken(send: ObjectSendStream<number>): Coroutine<void> {
  const sending = function* (): Coroutine<void> {
    for (let item = 0; item < many; item++) {
      yield* send.send(item);
      yield* waitAllTasksBlocked();
    }
  };
  yield* checkThrows(new CancelScope().run(sending), BrokenResourceError, "Sending to a closed receiver");
  yield* checkThrows(send.send(0), BrokenResourceError, "Sending once more");
}

export const orderRules: readonly PairRule[] = [
  {
    rule: "items come in the order in which they were sent, and then the end",
    *body([send, receive]) {
      const got: number[] = [];
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* sendUpTo(send, 10, []);
          yield* send.close();
        });
        yield* receiveAll(receive, got);
      });
      checkSame(got, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "What was received");
    },
  },
  {
    rule: "one receive performed twice gets two items",
    *body([send, receive]) {
      const once = receive.receive();
      yield* taskGroup(function* (group) {
        group.startSoon(() => sendUpTo(send, 2, []));
        checkSame([yield* once, yield* once], [0, 1], "What was received");
      });
    },
  },
  {
    rule: "an error in the body of forEach leaves the stream open with what is left",
    *body([send, receive]) {
      const boom = new RangeError("the body failed");
      yield* taskGroup(function* (group) {
        group.startSoon(() => sendUpTo(send, 2, []));
        const failing = forEach(receive, () => {
          throw boom;
        });
        yield* checkThrows(failing, RangeError, "forEach");
        checkSame(yield* receive.receive(), 1, "The next item");
      });
    },
  },
];

export const cancelRules: readonly PairRule[] = [
  {
    rule: "a cancelled receive takes nothing [anyio cancel_receive]",
    *body([send, receive]) {
      yield* taskGroup(function* (group) {
        const receiver = yield* startWaiting(group, receive.receive());
        receiver.cancel();
        yield* receiver.wait();
        group.startSoon(send.send(1));
        checkSame(yield* receive.receive(), 1, "The item sent afterwards");
      });
    },
  },
  {
    rule: "a cancelled send puts nothing [anyio cancel_send]",
    *body([send, receive]) {
      const sent: number[] = [];
      const got: number[] = [];
      yield* taskGroup(function* (group) {
        const sender = yield* startWaiting(group, () => sendUpTo(send, many, sent));
        sender.cancel();
        yield* sender.wait();
        group.startSoon(send.close());
        yield* receiveAll(receive, got);
      });
      checkSame(got, sent, "What was received of what was sent");
    },
  },
  {
    rule: "in a cancelled scope no item is taken or put [anyio receive_when_cancelled]",
    *body([send, receive]) {
      const got: number[] = [];
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* send.send(1);
          yield* send.close();
        });
        yield* waitAllTasksBlocked();
        yield* moveOnAfter(0, receive.receive());
        yield* receiveAll(receive, got);
      });
      checkSame(got, [1], "What is received after a receive in a cancelled scope");
    },
  },
  {
    rule: "sending in a cancelled scope puts nothing",
    *body([send, receive]) {
      const got: number[] = [];
      yield* taskGroup(function* (group) {
        group.startSoon(() => receiveAll(receive, got));
        yield* waitAllTasksBlocked();
        yield* moveOnAfter(0, send.send(1));
        yield* send.send(2);
        yield* send.close();
      });
      checkSame(got, [2], "What was received");
    },
  },
  {
    rule: "an item handed over is not lost when its receiver is cancelled in the same turn",
    *body([send, receive]) {
      const got: number[] = [];
      yield* taskGroup(function* (group) {
        const receiver = yield* startWaiting(group, function* () {
          got.push(yield* receive.receive());
          yield* sleepForever();
        });
        yield* send.send(1);
        receiver.cancel();
        yield* receiver.wait();
        group.startSoon(send.close());
        yield* receiveAll(receive, got);
      });
      checkSame(got, [1], "What was received");
    },
  },
  {
    rule: "of two receives that race, one takes an item",
    *body([send, receive]) {
      const got: number[] = [];
      yield* taskGroup(function* (group) {
        const racer = yield* startWaiting(group, race([receive.receive(), sleepForever()]));
        group.startSoon(function* () {
          yield* sendUpTo(send, 3, []);
          yield* send.close();
        });
        got.push(yield* racer.join());
        got.push(yield* race([receive.receive(), sleepForever()]));
        yield* receiveAll(receive, got);
      });
      checkSame(got, [0, 1, 2], "What was received");
    },
  },
  {
    rule: "every item comes once and in order, whoever gives up waiting at whatever moment",
    *body([send, receive]) {
      const sent: number[] = [];
      const got: number[] = [];
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          for (let item = 0; item < 40; item++) {
            yield* moveOnAfter((item % 4) / 2, function* () {
              yield* send.send(item);
              sent.push(item);
            });
            yield* checkpoint();
          }
          yield* send.close();
        });
        for (let turn = 0; ; turn++) {
          const next = yield* moveOnAfter((turn % 3) / 2, receive.next());
          if (next === undefined) yield* checkpoint();
          else if (next.done === true) break;
          else got.push(next.value);
        }
      });
      checkSame(got, sent, "What was received of what was sent");
    },
  },
];

export const endRules: readonly PairRule[] = [
  {
    rule: "the sender closes while a receiver waits: the end of the stream, again and again [anyio close_send_while_receiving]",
    *body([send, receive]) {
      yield* taskGroup(function* (group) {
        yield* startWaiting(group, checkThrows(receive.receive(), EndOfStream, "The receive that waits"));
        yield* send.close();
      });
      yield* checkThrows(receive.receive(), EndOfStream, "A receive after the end");
      checkSame(yield* receive.next(), { done: true, value: undefined }, "next() after the end");
    },
  },
  {
    rule: "what was sent before the sender closed is received [anyio receive_after_send_closed]",
    *body([send, receive]) {
      const got: number[] = [];
      yield* taskGroup(function* (group) {
        yield* startWaiting(group, function* () {
          yield* sendUpTo(send, 3, []);
          yield* send.close();
        });
        yield* receiveAll(receive, got);
      });
      checkSame(got, [0, 1, 2], "What was received");
    },
  },
  {
    rule: "the receiver closes: sending is broken and stays so [anyio close_receive_while_sending]",
    *body([send, receive]) {
      yield* receive.close();
      yield* checkBroken(send);
    },
  },
  {
    rule: "after its own close an end is closed, whatever the other does [trio close_basics]",
    *body([send, receive]) {
      yield* receive.close();
      yield* checkThrows(receive.receive(), ClosedResourceError, "receive() after close()");
      yield* send.close();
      yield* checkThrows(send.send(1), ClosedResourceError, "send() after close()");
      yield* checkThrows(receive.receive(), ClosedResourceError, "receive() after both closed");
    },
  },
  {
    rule: "closing twice is fine",
    *body([send, receive]) {
      for (let time = 0; time < 2; time++) {
        yield* send.close();
        yield* receive.close();
      }
    },
  },
  {
    rule: "closing wakes the receive that waits on this very end",
    *body([, receive]) {
      yield* taskGroup(function* (group) {
        yield* startWaiting(
          group,
          checkThrows(receive.receive(), ClosedResourceError, "The receive that waits"),
        );
        yield* receive.close();
      });
    },
  },
  {
    rule: "a cancelled close closes, and then the cancellation is thrown",
    *body([send, receive]) {
      for (const end of [send, receive]) {
        yield* closeCancelled(end);
      }
      yield* checkThrows(send.send(1), ClosedResourceError, "send() after a cancelled close()");
      yield* checkThrows(receive.receive(), ClosedResourceError, "receive() after a cancelled close()");
    },
  },
];

export const boundedRules: readonly PairRule[] = [
  {
    rule: "a sender waits when nobody receives, and goes on when somebody does",
    *body([send, receive]) {
      const sent: number[] = [];
      yield* taskGroup(function* (group) {
        const sender = yield* startWaiting(group, () => sendUpTo(send, many, sent));
        const before = sent.length;
        check(before < many, `${String(many)} items were sent though nobody received any.`);
        // One may not be enough: a carrier can give room back in larger portions.
        for (let received = 0; received <= before; received++) yield* receive.receive();
        yield* waitAllTasksBlocked();
        check(sent.length > before, "The sender did not go on when an item was received.");
        sender.cancel();
      });
    },
  },
  {
    rule: "closing wakes the send that waits on this very end",
    *body([send]) {
      yield* taskGroup(function* (group) {
        const sending = new CancelScope().run(() => sendUpTo(send, many, []));
        yield* startWaiting(group, checkThrows(sending, ClosedResourceError, "The send that waits"));
        yield* send.close();
      });
    },
  },
  {
    rule: "the receiver closes while a sender waits: broken",
    *body([send, receive]) {
      yield* taskGroup(function* (group) {
        const sending = new CancelScope().run(() => sendUpTo(send, many, []));
        yield* startWaiting(group, checkThrows(sending, BrokenResourceError, "The send that waits"));
        yield* receive.close();
      });
    },
  },
];
