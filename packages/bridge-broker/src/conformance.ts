/**
 * What every work queue keeps to, as test cases: for ours, and for whoever writes the bridge to another broker.
 *
 * Invariant: the rules know nothing but `WorkQueue`; time is the queue's own, which is the loop's only in memory.
 */
export { brokerBridgeConformance, type BrokerUnderTest, type ForeignProgram } from "./bridge-rules.ts";
export { brokerFaults, type BrokerToHarm } from "./faults.ts";
import assert from "node:assert/strict";
import {
  all,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  moveOnAfter,
  type ObjectReceiveStream,
  type ObjectSendStream,
  type Operation,
  operation,
  race,
  sleepForever,
  taskGroup,
  use,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { everyBackend, type MatrixOptions, type TestCase } from "@anyloop/testing";
import { forEachDelivery } from "./for-each-delivery.ts";
import type { DeadLetter, Delivery, WorkQueue, WorkQueueOptions } from "./work-queue.ts";

/** The queues that the rules are tried on. */
export interface WorkQueueUnderTest {
  /** A queue that nobody has used yet. */
  make(options: WorkQueueOptions<number>): WorkQueue<number>;
  /** Lets so many milliseconds of the queue's time pass. */
  pass(milliseconds: number): Operation<void>;
}

type Sender = ObjectSendStream<number>;
type Receiver = ObjectReceiveStream<Delivery<number>>;

interface Rule {
  readonly rule: string;
  /** Of the queue; `letters` are what its handler of poison was given. */
  readonly options?: WorkQueueOptions<number> | ((letters: DeadLetter<number>[]) => WorkQueueOptions<number>);
  body(ends: Ends): Coroutine<void>;
}

interface Ends {
  readonly queue: WorkQueue<number>;
  readonly sender: Sender;
  readonly receiver: Receiver;
  readonly letters: readonly DeadLetter<number>[];
  readonly pass: WorkQueueUnderTest["pass"];
}

/** Long enough for a broker to hand something out that it should not. */
const aWhile = 60;

const sendAll = operation(function* sendAll(sender: Sender, values: Iterable<number>) {
  for (const value of values) yield* sender.send(value);
});

const receiveAndAck = operation(function* receiveAndAck(
  receiver: Receiver,
  count: number,
): Coroutine<number[]> {
  const values: number[] = [];
  while (values.length < count) {
    const delivery = yield* receiver.receive();
    values.push(delivery.value);
    yield* delivery.ack();
  }
  return values;
});

/** Whether something happens within so much of the queue's time. */
const happensWithin = operation(function* happensWithin(
  pass: WorkQueueUnderTest["pass"],
  milliseconds: number,
  work: Operation<unknown>,
): Coroutine<boolean> {
  return yield* race([
    function* () {
      yield* work;
      return true;
    },
    function* () {
      yield* pass(milliseconds);
      return false;
    },
  ]);
});

function* isEmpty({ pass, receiver }: Ends): Coroutine<boolean> {
  return !(yield* happensWithin(pass, aWhile, receiver.receive()));
}

/** Performs it in a scope that is cancelled already. */
function* cancelled(work: Operation<unknown>): Coroutine<void> {
  const scope = new CancelScope();
  scope.cancel();
  yield* scope.run(work);
}

function* thrownBy(work: Operation<unknown>): Coroutine<unknown> {
  try {
    yield* work;
  } catch (error) {
    return error;
  }
  return assert.fail("Nothing was thrown.");
}

/** Whether it is told that this end is closed. */
function* isRefused(work: Operation<unknown>): Coroutine<boolean> {
  try {
    yield* work;
  } catch (error) {
    return error instanceof ClosedResourceError;
  }
  return false;
}

const upTo = (count: number): number[] => [...Array(count).keys()];
const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

const rules: readonly Rule[] = [
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

const performRule = operation(function* performRule(
  { make, pass }: WorkQueueUnderTest,
  rule: Rule,
): Coroutine<void> {
  const letters: DeadLetter<number>[] = [];
  const options = typeof rule.options === "function" ? rule.options(letters) : (rule.options ?? {});
  const queue = make(options);
  yield* use(queue.openSender(), (sender) =>
    use(queue.openReceiver(), (receiver) => rule.body({ queue, sender, receiver, letters, pass })),
  );
});

/** The rules of work queues, as test cases on every backend. */
export function workQueueConformance(tested: WorkQueueUnderTest, options: MatrixOptions = {}): TestCase[] {
  return rules.flatMap((rule) => everyBackend(rule.rule, performRule(tested, rule), options));
}
