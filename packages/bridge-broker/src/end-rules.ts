/** The rules of the ends of a work queue: how they are opened, shared, closed and cancelled. */
import assert from "node:assert/strict";
import { moveOnAfter, taskGroup, use } from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { forEachDelivery } from "./for-each-delivery.ts";
import {
  aWhile,
  cancelled,
  isEmpty,
  isRefused,
  receiveAndAck,
  type Receiver,
  type Rule,
  sendAll,
  type Sender,
  sorted,
  upTo,
} from "./work-queue-help.ts";

export const endRules: readonly Rule[] = [
  {
    rule: "closing a receiver gives back what it held at once, and its deliveries can say nothing more",
    *body({ queue, sender, receiver }) {
      yield* sendAll(sender, [1, 2]);
      const held = [yield* receiver.receive(), yield* receiver.receive()];
      yield* receiver.close();
      for (const delivery of held) assert(yield* isRefused(delivery.ack()));
      const values = yield* use(queue.openReceiver(), (other) => receiveAndAck(other, 2));
      assert.deepEqual(sorted(values), [1, 2]);
    },
  },
  {
    rule: "closed while cancelled, a receiver gives back what it held",
    *body({ queue, sender, receiver }) {
      yield* sender.send(1);
      yield* receiver.receive();
      yield* cancelled(receiver.close());
      assert.deepEqual(yield* use(queue.openReceiver(), (other) => receiveAndAck(other, 1)), [1]);
    },
  },
  {
    rule: "several receivers share the messages, and each goes to one of them",
    *body({ queue, sender, receiver, pass }) {
      const got: number[] = [];
      yield* use(queue.openReceiver(), (other) =>
        taskGroup(function* (group) {
          for (const each of [receiver, receiver, other, other]) {
            group.startSoon(forEachDelivery(each, (value) => void got.push(value)));
          }
          yield* sendAll(sender, upTo(30));
          while (got.length < 30) yield* pass(5);
          yield* pass(aWhile);
          group.cancel();
        }),
      );
      assert.deepEqual(sorted(got), upTo(30));
    },
  },
  {
    rule: "closing wakes who waits at that end, and refuses whoever comes after",
    options: { capacity: 1 },
    *body({ sender, receiver, pass }) {
      yield* taskGroup(function* (group) {
        const receiving = group.startSoon(() => isRefused(receiver.receive()));
        yield* pass(5);
        yield* receiver.close();
        assert(yield* receiving.join());
        assert(yield* isRefused(receiver.receive()));
        yield* sender.send(1);
        const sending = group.startSoon(() => isRefused(sender.send(2)));
        yield* pass(5);
        yield* sender.close();
        assert(yield* sending.join());
        assert(yield* isRefused(sender.send(3)));
      });
    },
  },
  {
    rule: "deleted, a queue has nothing in it, and can be used again",
    *body({ queue, sender, receiver, letters, pass }) {
      yield* sendAll(sender, [1, 2]);
      yield* receiver.receive();
      yield* receiver.close();
      yield* sender.close();
      yield* queue.delete();
      yield* queue.delete();
      yield* use(queue.openSender(), (newSender) =>
        use(queue.openReceiver(), function* (newReceiver) {
          assert(yield* isEmpty({ queue, sender: newSender, receiver: newReceiver, letters, pass }));
          yield* newSender.send(3);
          assert.deepEqual(yield* receiveAndAck(newReceiver, 1), [3]);
        }),
      );
    },
  },
  {
    rule: "cancelled while it opens, at whatever moment, an end is not there, and nothing else is thrown",
    *body({ queue }) {
      for (const milliseconds of [0, 0.3, 0.6, 1, 1.5, 2, 3, 5]) {
        for (const opening of [queue.openReceiver(), queue.openSender()]) {
          const end = yield* moveOnAfter<Receiver | Sender>(milliseconds, opening);
          yield* end?.close() ?? checkpoint();
        }
      }
    },
  },
  {
    rule: "cancelled before it begins, nothing is sent, received or settled",
    *body(ends) {
      const { sender, receiver } = ends;
      yield* sender.send(1);
      yield* cancelled(sender.send(2));
      yield* cancelled(receiver.receive());
      const delivery = yield* receiver.receive();
      assert.equal(delivery.value, 1);
      yield* cancelled(delivery.ack());
      yield* delivery.nak();
      assert.deepEqual(yield* receiveAndAck(receiver, 1), [1]);
      assert(yield* isEmpty(ends));
    },
  },
];
