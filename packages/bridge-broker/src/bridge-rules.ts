/**
 * The rules of all bridges, as far as they make sense for a broker, whose foreign side is whoever else uses it.
 *
 * A broker keeps what it was given, from whomever and for whomever: it knows of no end (here it is a message, as between
 * any two programs), and tells neither side how the other fares. `notOfBrokers` has the rules that follow from that.
 */
import {
  type AsyncCloseable,
  type Coroutine,
  EndOfStream,
  fromPromise,
  type ObjectReceiveStream,
  type ObjectSendStream,
  type Operation,
  operation,
  perform,
  shield,
  sleepForever,
  type TaskGroup,
} from "@anyloop/core";
import { ReceiveStreamBase } from "@anyloop/core/lowlevel";
import {
  bridgeConformance,
  type ConformanceCase,
  type InwardBridge,
  type MatrixOptions,
  type OutwardBridge,
} from "@anyloop/testing";
import type { Delivery, WorkQueue } from "./work-queue.ts";

/** A program that uses the broker with its plain client library, and nothing of ours. */
export interface ForeignProgram {
  write(item: string): PromiseLike<unknown>;
  /** Takes the oldest message off the queue; waits until there is one. */
  read(): Promise<string>;
  close(): PromiseLike<unknown>;
}

export interface BrokerUnderTest {
  /** A queue that nobody has used yet, and a program on its other side. */
  make(): Promise<{ queue: WorkQueue<number | null>; foreign: ForeignProgram }>;
  /** How many connections this process has open. */
  connections(): number;
}

/** Rules that no broker keeps, by how their names begin. */
const notOfBrokers: readonly (readonly [rule: string, why: string])[] = [
  [
    "the foreign side is held back",
    "a broker stores for who does not receive; our senders are held back by `capacity`",
  ],
  [
    "a foreign failure is Broken",
    "who receives is not told how those fare who send; a server that has gone is Broken",
  ],
  [
    "closing our end tells the foreign side",
    "who sends is not told who receives: another may, or we may later",
  ],
  ["a foreign call after the run", "who sends needs nobody who receives"],
  [
    "our side is held back",
    "the rule counts turns of the host, a network takes longer: see the rule of `capacity`",
  ],
  ["the foreign side wants no more", "who sends is not told who receives"],
  [
    "of those who wait to",
    "they take turns, each with a request of its own, in whatever order that is answered",
  ],
  ["a send that waits is woken", "no send waits for whoever receives; see the rule of `capacity`"],
  ["our failure comes to", "who receives is not told how those fare who send"],
  ["closed while cancelled, our end ends", "closing ends no queue: others may send"],
];

/** The end of what one program sends to another. */
const end = null;

/** Acknowledges what it gives, so that it is a stream as others are. */
class Values extends ReceiveStreamBase<number> {
  private readonly receiver: ObjectReceiveStream<Delivery<number | null>>;
  private hasEnded = false;

  constructor(receiver: ObjectReceiveStream<Delivery<number | null>>) {
    super();
    this.receiver = receiver;
  }

  receive(): Operation<number> {
    return perform(this, this.doReceive);
  }

  close(): Operation<void> {
    return this.receiver.close();
  }

  private *doReceive(): Coroutine<number> {
    if (this.hasEnded) throw new EndOfStream();
    const delivery = yield* this.receiver.receive();
    yield* shield(delivery.ack());
    if (delivery.value !== end) return delivery.value;
    this.hasEnded = true;
    yield* this.close();
    throw new EndOfStream();
  }
}

/** Says the end before it is closed. */
class EndingSender implements ObjectSendStream<number> {
  private readonly sender: ObjectSendStream<number | null>;

  constructor(sender: ObjectSendStream<number | null>) {
    this.sender = sender;
  }

  send(item: number): Operation<void> {
    return this.sender.send(item);
  }

  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doClose(): Coroutine<void> {
    yield* this.sender.send(end);
    yield* this.sender.close();
  }
}

/** Closes both sides at the end of the test. */
const untilTheEnd = operation(function* untilTheEnd(
  ours: AsyncCloseable,
  foreign: ForeignProgram,
): Coroutine<void> {
  try {
    yield* sleepForever();
  } finally {
    yield* shield(ours.close());
    yield* shield(fromPromise(foreign.close()));
  }
});

function* inward({ make, connections }: BrokerUnderTest, group: TaskGroup): Coroutine<InwardBridge> {
  const { queue, foreign } = yield* fromPromise(make());
  const others = connections();
  const receiver = yield* queue.openReceiver();
  group.startSoon(untilTheEnd(receiver, foreign), { daemon: true });
  return {
    ours: new Values(receiver),
    foreign: {
      write: (item) => foreign.write(JSON.stringify(item)),
      end: () => void foreign.write(JSON.stringify(end)),
      fail: () => {},
      // The broker sees it by our connections.
      isToldToStop: () => connections() === others,
      listeners: () => connections() - others,
    },
  };
}

function* outward({ make, connections }: BrokerUnderTest, group: TaskGroup): Coroutine<OutwardBridge> {
  const { queue, foreign } = yield* fromPromise(make());
  const others = connections();
  const sender = yield* queue.openSender();
  group.startSoon(untilTheEnd(sender, foreign), { daemon: true });
  const read = async (): Promise<{ done: boolean; value: number | undefined }> => {
    const value = JSON.parse(await foreign.read()) as number | null;
    return { done: value === end, value: value ?? undefined };
  };
  return {
    ours: new EndingSender(sender),
    fail: () => {},
    foreign: { read, cancel: () => {}, listeners: () => connections() - others },
  };
}

/** The rules of bridges that a broker can keep. */
export function brokerBridgeConformance(
  tested: BrokerUnderTest,
  options: MatrixOptions = {},
): ConformanceCase[] {
  const bridges = {
    inward: (group: TaskGroup) => inward(tested, group),
    outward: (group: TaskGroup) => outward(tested, group),
  };
  return bridgeConformance(bridges, options).filter(
    ({ name }) => !notOfBrokers.some(([rule]) => name.startsWith(rule)),
  );
}
