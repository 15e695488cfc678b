/** The rules of messages: how they are stored, handed out, kept, settled and buried. */
import assert from "node:assert/strict";
import { all, moveOnAfter, type Operation, race, sleepForever, taskGroup, CancelScope } from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { forEachDelivery } from "./for-each-delivery.ts";
import type { DeadLetter } from "./work-queue.ts";
import {
  aWhile,
  happensWithin,
  isEmpty,
  receiveAndAck,
  type Rule,
  sendAll,
  thrownBy,
  upTo,
} from "./work-queue-help.ts";

export const messageRules: readonly Rule[] = [
  {
    rule: "what is sent is handed out in order, and gone once it is acknowledged",
    *body(ends) {
      yield* sendAll(ends.sender, upTo(10));
      assert.deepEqual(yield* receiveAndAck(ends.receiver, 10), upTo(10));
      assert(yield* isEmpty(ends));
    },
  },
  {
    rule: "a receive that waits gets what is sent then",
    *body({ sender, receiver }) {
      yield* taskGroup(function* (group) {
        const receiving = group.startSoon(receiver.receive());
        yield* checkpoint();
        yield* sender.send(7);
        const delivery = yield* receiving.join();
        assert.deepEqual([delivery.value, delivery.deliveries], [7, 1]);
        yield* delivery.ack();
      });
    },
  },
  {
    rule: "what is given back is handed out again, and counted",
    *body(ends) {
      yield* ends.sender.send(1);
      for (const deliveries of [1, 2, 3]) {
        const delivery = yield* ends.receiver.receive();
        assert.deepEqual([delivery.value, delivery.deliveries], [1, deliveries]);
        yield* deliveries < 3 ? delivery.nak() : delivery.ack();
      }
      assert(yield* isEmpty(ends));
    },
  },
  {
    rule: "what is not settled in time is handed out again, and an acknowledgement that comes late still counts",
    options: { redeliverAfter: 50 },
    *body(ends) {
      yield* ends.sender.send(1);
      const late = yield* ends.receiver.receive();
      const again = yield* ends.receiver.receive();
      assert.deepEqual([again.value, again.deliveries], [1, 2]);
      yield* late.ack();
      assert(yield* isEmpty(ends));
    },
  },
  {
    rule: "what is kept is not handed out again; its time begins when nobody keeps it any more",
    options: { redeliverAfter: 300 },
    *body({ sender, receiver, pass }) {
      yield* sender.send(1);
      const delivery = yield* receiver.receive();
      const outcome = yield* race([receiver.receive(), delivery.keep(), pass(900)]);
      assert.equal(outcome, undefined, "It was handed out again while it was kept.");
      assert.equal((yield* receiver.receive()).deliveries, 2);
    },
  },
  {
    rule: "no more than maxInFlight are in hand: the next receive waits until one is settled",
    options: { maxInFlight: 2 },
    *body({ sender, receiver, pass }) {
      yield* sendAll(sender, [1, 2, 3]);
      const first = yield* receiver.receive();
      yield* receiver.receive();
      assert(!(yield* happensWithin(pass, aWhile, receiver.receive())));
      yield* taskGroup(function* (group) {
        const third = group.startSoon(receiver.receive());
        yield* checkpoint();
        yield* first.ack();
        assert.equal((yield* third.join()).value, 3);
      });
    },
  },
  {
    rule: "no more than maxInFlight are in hand: one whose time is over is none",
    options: { maxInFlight: 1, redeliverAfter: 50 },
    *body({ sender, receiver }) {
      yield* sender.send(1);
      assert.equal((yield* receiver.receive()).deliveries, 1);
      assert.equal((yield* receiver.receive()).deliveries, 2);
    },
  },
  {
    rule: "a send waits while `capacity` messages are stored; one that was cancelled stored nothing",
    options: { capacity: 2 },
    *body(ends) {
      const { sender, receiver, pass } = ends;
      yield* sendAll(sender, [1, 2]);
      assert(!(yield* happensWithin(pass, aWhile, sender.send(99))));
      yield* taskGroup(function* (group) {
        const third = group.startSoon(sender.send(3));
        assert.deepEqual(yield* receiveAndAck(receiver, 1), [1]);
        yield* third.join();
      });
      assert.deepEqual(yield* receiveAndAck(receiver, 2), [2, 3]);
      assert(yield* isEmpty(ends));
    },
  },
  {
    rule: "after so many deliveries a message goes to the handler of poison, once, and the others go on",
    options: (letters) => ({
      redeliverAfter: 3 * aWhile,
      poison: { after: 2, handle: (letter) => void letters.push(letter) },
    }),
    *body(ends) {
      const { sender, receiver, letters } = ends;
      yield* sender.send(1);
      for (const deliveries of [1, 2]) {
        const delivery = yield* receiver.receive();
        assert.equal(delivery.deliveries, deliveries);
        yield* delivery.nak();
      }
      yield* sender.send(2);
      assert.deepEqual(yield* receiveAndAck(receiver, 1), [2]);
      // Longer than its time: it has really gone.
      assert(!(yield* happensWithin(ends.pass, 5 * aWhile, receiver.receive())));
      assert.deepEqual(
        letters.map(({ value, deliveries }) => [value, deliveries]),
        [[1, 2]],
      );
    },
  },
  {
    rule: "what the handler of poison throws is thrown by receive, and the message is not lost",
    options: (letters) => {
      let tries = 0;
      const handle = (letter: DeadLetter<number>): void => {
        if (++tries === 1) throw new Error("no room for the dead");
        letters.push(letter);
      };
      return { poison: { after: 1, handle } };
    },
    *body({ sender, receiver, letters, pass }) {
      yield* sender.send(1);
      yield* (yield* receiver.receive()).nak();
      const error = yield* thrownBy(receiver.receive());
      assert.match(String(error), /no room for the dead/);
      assert(!(yield* happensWithin(pass, 10 * aWhile, receiver.receive())));
      assert.deepEqual(
        letters.map(({ value }) => value),
        [1],
      );
    },
  },
  {
    rule: "whoever gives up waiting at whatever moment, nothing is lost",
    *body({ sender, receiver }) {
      const got: number[] = [];
      yield* taskGroup(function* (group) {
        group.startSoon(sendAll(sender, upTo(30)));
        for (let turn = 0; got.length < 30; turn++) {
          const delivery = yield* moveOnAfter((turn % 3) / 4, receiver.receive());
          if (delivery === undefined) yield* checkpoint();
          else {
            got.push(delivery.value);
            yield* delivery.ack();
          }
        }
      });
      assert.deepEqual(got, upTo(30));
    },
  },
  {
    rule: "what comes for a receive that has given up is there for the next one",
    options: { redeliverAfter: 1_000 },
    *body({ sender, receiver, pass }) {
      assert(!(yield* happensWithin(pass, 5, receiver.receive())));
      yield* sender.send(1);
      yield* pass(aWhile);
      const delivery = yield* receiver.receive();
      assert.deepEqual([delivery.value, delivery.deliveries], [1, 1]);
      yield* delivery.ack();
    },
  },
  {
    rule: "a worker that is cancelled between receiving and the end of its work gives the message back at once",
    *body({ sender, receiver }) {
      yield* sender.send(1);
      const scope = new CancelScope();
      yield* scope.run(
        forEachDelivery(receiver, function* () {
          scope.cancel();
          yield* sleepForever();
        }),
      );
      const again = yield* receiver.receive();
      assert.deepEqual([again.value, again.deliveries], [1, 2]);
      yield* again.ack();
    },
  },
  {
    rule: "a worker whose work throws gives the message back; it goes on if somebody takes the error",
    options: (letters) => ({ poison: { after: 2, handle: (letter) => void letters.push(letter) } }),
    *body({ sender, receiver, letters, pass }) {
      yield* sendAll(sender, [1, 2]);
      const fails = (value: number): void => {
        if (value === 1) throw new Error("cannot do 1");
      };
      assert.match(String(yield* thrownBy(forEachDelivery(receiver, fails))), /cannot do 1/);
      const errors: unknown[] = [];
      const working = forEachDelivery(receiver, fails, { onError: (error) => void errors.push(error) });
      yield* happensWithin(pass, 10 * aWhile, working);
      assert.deepEqual([errors.length, letters.length], [1, 1]);
    },
  },
  {
    rule: "the time of a message does not end while its worker works",
    options: { redeliverAfter: 400 },
    *body({ sender, receiver, pass }) {
      yield* sender.send(1);
      const seen: number[] = [];
      const work = (): Operation<void> =>
        forEachDelivery(receiver, function* (_, { deliveries }) {
          seen.push(deliveries);
          yield* pass(1_000);
        });
      yield* happensWithin(pass, 1_200, all([work(), work()]));
      assert.deepEqual(seen, [1]);
    },
  },
];
