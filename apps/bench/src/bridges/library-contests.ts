/** Bridges to RxJS, Effect and Effection. */
import * as ofEffect from "@anyloop/bridge-effect";
import * as ofEffection from "@anyloop/bridge-effection";
import { fromObservable, observable, toObserver } from "@anyloop/bridge-rxjs";
import { type ObjectSendStream, run } from "anyloop";
import { Effect, Queue, Stream } from "effect";
import {
  createChannel,
  each,
  run as runEffection,
  type Operation as TheirOperation,
  type Stream as Theirs,
} from "effection";
import { asapScheduler, observeOn, Subject } from "rxjs";
import { capacity, consume, consumeSome, type Contest, emitAll, items, join, produce } from "./contest.ts";

const effectQueue = (): Queue.Queue<number> => Effect.runSync(Queue.bounded<number>(capacity));
const offerAll = (queue: Queue.Queue<number>): Promise<void> =>
  Effect.runPromise(
    Effect.gen(function* () {
      for (let item = 0; item < items; item++) yield* Queue.offer(queue, item);
    }),
  );
const takeAll = (queue: Queue.Queue<number>): Promise<number> =>
  Effect.runPromise(
    Effect.gen(function* () {
      let sum = 0;
      for (let item = 0; item < items; item++) sum += yield* Queue.take(queue);
      return sum;
    }),
  );
const runStream = async (stream: Stream.Stream<number, unknown>): Promise<number> => {
  let sum = 0;
  await Effect.runPromise(
    Stream.runForEach(Stream.take(stream, items), (item) =>
      Effect.sync(() => {
        sum += item;
      }),
    ),
  );
  return sum;
};

function* readTheirs(stream: Theirs<number, void>): TheirOperation<number> {
  let sum = 0;
  for (const item of yield* each(stream)) {
    sum += item;
    yield* each.next();
  }
  return sum;
}

/** A channel of effection's with a producer of theirs, for somebody who subscribes to it. */
function produceTheirs(use: (channel: Theirs<number, void>) => Promise<number>): Promise<number> {
  const channel = createChannel<number>();
  const consuming = use(channel);
  return join(
    runEffection(function* () {
      for (let item = 0; item < items; item++) yield* channel.send(item);
      yield* channel.close();
    }),
    consuming,
  );
}

export const libraryContests: readonly Contest[] = [
  {
    name: "observable in (observeOn asap)",
    peer: () =>
      new Promise((resolve) => {
        const subject = new Subject<number>();
        let sum = 0;
        subject.pipe(observeOn(asapScheduler)).subscribe({
          next(item) {
            sum += item;
          },
          complete: () => resolve(sum),
        });
        void emitAll((item) => subject.next(item)).then(() => subject.complete());
      }),
    bridge: () => {
      const subject = new Subject<number>();
      const receiving = run(consume(fromObservable(subject)));
      return join(
        emitAll((item) => subject.next(item)).then(() => subject.complete()),
        receiving,
      );
    },
  },
  {
    name: "observable out (observeOn asap)",
    peer: () =>
      new Promise((resolve) => {
        const subject = new Subject<number>();
        let sum = 0;
        subject.pipe(observeOn(asapScheduler)).subscribe({
          next(item) {
            sum += item;
          },
          complete: () => resolve(sum),
        });
        void emitAll((item) => subject.next(item)).then(() => subject.complete());
      }),
    bridge: () => {
      const [send, numbers] = observable<number>();
      let sum = 0;
      const consuming = new Promise<number>((resolve) => {
        numbers.subscribe({
          next(item) {
            sum += item;
          },
          complete: () => resolve(sum),
        });
      });
      return join(run(produce(send)), consuming);
    },
  },
  {
    name: "Subject out (observeOn asap)",
    peer: () =>
      new Promise((resolve) => {
        const subject = new Subject<number>();
        let sum = 0;
        subject.pipe(observeOn(asapScheduler)).subscribe({
          next(item) {
            sum += item;
          },
          complete: () => resolve(sum),
        });
        void emitAll((item) => subject.next(item)).then(() => subject.complete());
      }),
    bridge: () => {
      const subject = new Subject<number>();
      let sum = 0;
      subject.subscribe((item) => {
        sum += item;
      });
      return run(produce(toObserver(subject))).then(() => sum);
    },
  },
  {
    name: "Effect queue in (Queue)",
    peer: () => {
      const queue = effectQueue();
      return join(offerAll(queue), takeAll(queue));
    },
    bridge: () => {
      const queue = effectQueue();
      return join(offerAll(queue), run(consumeSome(ofEffect.fromQueue(queue))));
    },
  },
  {
    name: "Effect queue out (Queue)",
    peer: () => {
      const queue = effectQueue();
      return join(offerAll(queue), takeAll(queue));
    },
    bridge: () => {
      const queue = Effect.runSync(Queue.bounded<number>(capacity));
      const send = ofEffect.toQueue(queue as never) as ObjectSendStream<number>;
      const consuming = takeAll(queue);
      return join(run(produce(send)), consuming);
    },
  },
  {
    name: "Effect stream in (Stream of a Queue)",
    peer: () => {
      const queue = effectQueue();
      return join(offerAll(queue), runStream(Stream.fromQueue(queue)));
    },
    bridge: () => {
      const queue = effectQueue();
      const stream = ofEffect.fromStream(Stream.take(Stream.fromQueue(queue), items));
      return join(offerAll(queue), run(consume(stream)));
    },
  },
  {
    name: "Effect stream out (Stream of a Queue)",
    peer: () => {
      const queue = effectQueue();
      return join(offerAll(queue), runStream(Stream.fromQueue(queue)));
    },
    bridge: () => {
      const [send, stream] = ofEffect.stream<number>();
      return join(run(produce(send)), runStream(stream));
    },
  },
  {
    name: "Effection stream in (channel)",
    peer: () => produceTheirs((channel) => runEffection(() => readTheirs(channel))),
    bridge: () => produceTheirs((channel) => run(consume(ofEffection.fromStream(channel)))),
  },
  {
    name: "Effection stream out (channel)",
    peer: () => produceTheirs((channel) => runEffection(() => readTheirs(channel))),
    bridge: () => {
      const [send, stream] = ofEffection.stream<number>();
      return join(
        run(produce(send)),
        runEffection(() => readTheirs(stream)),
      );
    },
  },
];
