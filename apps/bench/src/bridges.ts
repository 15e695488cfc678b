/**
 * What a value pays for going over a bridge, against the queue that its own world has for the same way: a producer and a
 * consumer, joined once by the peer alone and once by the bridge. Run it alone: `node --conditions=@anyloop/source
 * apps/bench/src/bridges.ts [items] [rounds] [part of a name]`. Contestants take turns; the median round of each counts,
 * in CPU time: nothing here waits for the host for long, and a machine that is shared says nothing by the clock.
 */
import { EventEmitter, on } from "node:events";
import { PassThrough } from "node:stream";
import { sendingEnd, receivingEnd, UniversalQueue } from "@anyloop/bridge";
import * as ofEffect from "@anyloop/bridge-effect";
import * as ofEffection from "@anyloop/bridge-effection";
import * as ofNode from "@anyloop/bridge-node";
import { fromObservable, observable, toObserver } from "@anyloop/bridge-rxjs";
import * as ofWeb from "@anyloop/bridge-web";
import {
  type Coroutine,
  EndOfStream,
  kernel,
  memoryStream,
  native,
  type ObjectReceiveStream,
  type ObjectSendStream,
  type Operation,
  operation,
  run,
  setDefaultBackend,
} from "anyloop";
import { Effect, Queue, Stream } from "effect";
import {
  createChannel,
  each,
  run as runEffection,
  type Operation as TheirOperation,
  type Stream as Theirs,
} from "effection";
import { asapScheduler, observeOn, Subject } from "rxjs";

const items = Number(process.argv[2] ?? 20_000);
const rounds = Number(process.argv[3] ?? 11);
const only = process.argv[4] ?? "";
/** What the peers' queues hold where one can say; ours hold as much. */
const capacity = 16;

/** Sends the items and gives the sum that the other side is to see. */
const produce: (stream: ObjectSendStream<number>) => Operation<void> = operation(function* produce(
  stream: ObjectSendStream<number>,
): Coroutine<void> {
  for (let item = 0; item < items; item++) yield* stream.send(item);
  yield* stream.close();
});

const consume: (stream: ObjectReceiveStream<number>) => Operation<number> = operation(function* consume(
  stream: ObjectReceiveStream<number>,
): Coroutine<number> {
  let sum = 0;
  try {
    for (;;) sum += yield* stream.receive();
  } catch (error) {
    if (error instanceof EndOfStream) return sum;
    throw error;
  }
});

/** So many items, and no end. */
const consumeSome: (stream: ObjectReceiveStream<number>) => Operation<number> = operation(
  function* consumeSome(stream: ObjectReceiveStream<number>): Coroutine<number> {
    let sum = 0;
    for (let item = 0; item < items; item++) sum += yield* stream.receive();
    yield* stream.close();
    return sum;
  },
);

async function join(producing: PromiseLike<unknown>, consuming: PromiseLike<number>): Promise<number> {
  const [sum] = await Promise.all([consuming, producing]);
  return sum;
}

async function writeWeb(writable: WritableStream<number>): Promise<void> {
  const writer = writable.getWriter();
  for (let item = 0; item < items; item++) {
    await writer.ready;
    void writer.write(item);
  }
  await writer.close();
}

async function readWeb(readable: ReadableStream<number>): Promise<number> {
  const reader = readable.getReader();
  let sum = 0;
  for (;;) {
    const result = await reader.read();
    if (result.done) return sum;
    sum += result.value;
  }
}

const webQueue = (): TransformStream<number, number> =>
  new TransformStream<number, number>({}, { highWaterMark: capacity }, { highWaterMark: capacity });

async function writeNode(stream: NodeJS.WritableStream): Promise<void> {
  for (let item = 1; item <= items; item++) {
    if (!stream.write(item as never)) await new Promise((resolve) => void stream.once("drain", resolve));
  }
  stream.end();
}

async function readAll(source: AsyncIterable<number>): Promise<number> {
  let sum = 0;
  for await (const item of source) sum += item;
  return sum;
}

const nodeQueue = (): PassThrough => new PassThrough({ objectMode: true, highWaterMark: capacity });

/** Known to Node since 20, to the types not yet. */
const streamFrom = (source: AsyncIterable<number>): ReadableStream<number> =>
  (ReadableStream as unknown as { from(source: AsyncIterable<number>): ReadableStream<number> }).from(source);

async function* generated(): AsyncGenerator<number> {
  for (let item = 0; item < items; item++) yield item;
}

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

interface Contest {
  readonly name: string;
  readonly peer: () => Promise<number>;
  readonly bridge: () => Promise<number>;
  /** The first item; the sum is checked. */
  readonly first?: number;
}

const emitAll = async (emit: (item: number) => void): Promise<void> => {
  for (let item = 0; item < items; item++) {
    emit(item);
    // Whoever emits has other things to do now and then.
    if (item % capacity === 0) await Promise.resolve();
  }
};

const contests: readonly Contest[] = [
  {
    name: "universal queue, task to task (memory stream)",
    peer: () => {
      const [send, receive] = memoryStream<number>(capacity);
      return join(run(produce(send)), run(consume(receive)));
    },
    bridge: () => {
      const queue = new UniversalQueue<number>({ capacity });
      return join(run(produce(sendingEnd(queue))), run(consume(receivingEnd(queue))));
    },
  },
  {
    name: "web stream in (TransformStream)",
    peer: () => {
      const { readable, writable } = webQueue();
      return join(writeWeb(writable), readWeb(readable));
    },
    bridge: () => {
      const { readable, writable } = webQueue();
      return join(writeWeb(writable), run(consume(ofWeb.fromReadable(readable))));
    },
  },
  {
    name: "web stream in, made by us (TransformStream)",
    peer: () => {
      const { readable, writable } = webQueue();
      return join(writeWeb(writable), readWeb(readable));
    },
    bridge: () => {
      const [writable, receive] = ofWeb.writableStream<number>();
      return join(writeWeb(writable), run(consume(receive)));
    },
  },
  {
    name: "web stream out (TransformStream)",
    peer: () => {
      const { readable, writable } = webQueue();
      return join(writeWeb(writable), readWeb(readable));
    },
    bridge: () => {
      const { readable, writable } = webQueue();
      return join(run(produce(ofWeb.toWritable(writable))), readWeb(readable));
    },
  },
  {
    name: "web stream out, made by us (TransformStream)",
    peer: () => {
      const { readable, writable } = webQueue();
      return join(writeWeb(writable), readWeb(readable));
    },
    bridge: () => {
      const [send, readable] = ofWeb.readableStream<number>();
      return join(run(produce(send)), readWeb(readable));
    },
  },
  {
    name: "async iterable in (ReadableStream.from)",
    peer: () => readWeb(streamFrom(generated())),
    bridge: () => run(consume(ofWeb.fromAsyncIterable(generated()))),
  },
  {
    name: "async iterable in (bare for await, no queue)",
    peer: () => readAll(generated()),
    bridge: () => run(consume(ofWeb.fromAsyncIterable(generated()))),
  },
  {
    name: "message port in (onmessage)",
    peer: () =>
      new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel();
        let [sum, count] = [0, 0];
        port2.onmessage = (event: MessageEvent<number>) => {
          sum += event.data;
          if (++count < items) return;
          port2.close();
          resolve(sum);
        };
        void emitAll((item) => port1.postMessage(item));
      }),
    bridge: () => {
      const { port1, port2 } = new MessageChannel();
      const receiving = run(consumeSome(ofWeb.fromMessagePort<number>(port2)));
      return join(
        emitAll((item) => port1.postMessage(item)),
        receiving,
      );
    },
  },
  {
    name: "events of a target in (node:events on)",
    peer: async () => {
      const target = new EventTarget();
      const events = on(target, "item");
      const emitting = emitAll(
        (item) => void target.dispatchEvent(new CustomEvent("item", { detail: item })),
      );
      let [sum, count] = [0, 0];
      for await (const [event] of events as AsyncIterable<[CustomEvent<number>]>) {
        sum += event.detail;
        if (++count === items) break;
      }
      await emitting;
      return sum;
    },
    bridge: () => {
      const target = new EventTarget();
      const events = ofWeb.events<CustomEvent<number>>(target, "item");
      const receiving = run(function* () {
        let sum = 0;
        for (let item = 0; item < items; item++) sum += (yield* events.receive()).detail;
        yield* events.close();
        return sum;
      });
      return join(
        emitAll((item) => void target.dispatchEvent(new CustomEvent("item", { detail: item }))),
        receiving,
      );
    },
  },
  {
    name: "events of an emitter in (node:events on)",
    peer: async () => {
      const emitter = new EventEmitter();
      const events = on(emitter, "item");
      const emitting = emitAll((item) => void emitter.emit("item", item));
      let [sum, count] = [0, 0];
      for await (const [item] of events as AsyncIterable<[number]>) {
        sum += item;
        if (++count === items) break;
      }
      await emitting;
      return sum;
    },
    bridge: () => {
      const emitter = new EventEmitter();
      const events = ofNode.events<[number]>(emitter, "item");
      const receiving = run(function* () {
        let sum = 0;
        for (let item = 0; item < items; item++) sum += (yield* events.receive())[0];
        yield* events.close();
        return sum;
      });
      return join(
        emitAll((item) => void emitter.emit("item", item)),
        receiving,
      );
    },
  },
  {
    name: "Node stream in (PassThrough)",
    first: 1,
    peer: () => {
      const stream = nodeQueue();
      return join(writeNode(stream), readAll(stream));
    },
    bridge: () => {
      const stream = nodeQueue();
      return join(writeNode(stream), run(consume(ofNode.fromReadable<number>(stream))));
    },
  },
  {
    name: "Node stream in, made by us (PassThrough)",
    first: 1,
    peer: () => {
      const stream = nodeQueue();
      return join(writeNode(stream), readAll(stream));
    },
    bridge: () => {
      const [stream, receive] = ofNode.writable<number>();
      return join(writeNode(stream), run(consume(receive)));
    },
  },
  {
    name: "Node stream out (PassThrough)",
    peer: () => {
      const stream = nodeQueue();
      return join(writeNode(stream), readAll(stream)).then((sum) => sum - items);
    },
    bridge: () => {
      const stream = nodeQueue();
      return join(run(produce(ofNode.toWritable<number>(stream))), readAll(stream));
    },
  },
  {
    name: "Node stream out, made by us (PassThrough)",
    peer: () => {
      const stream = nodeQueue();
      return join(writeNode(stream), readAll(stream)).then((sum) => sum - items);
    },
    bridge: () => {
      const [send, stream] = ofNode.readable<number>();
      return join(run(produce(send)), readAll(stream));
    },
  },
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

async function timed(contestant: () => Promise<number>, expected: number): Promise<number> {
  const started = process.cpuUsage();
  const sum = await contestant();
  const { user, system } = process.cpuUsage(started);
  if (sum !== expected) throw new Error(`The sum is ${String(sum)}, not ${String(expected)}.`);
  return ((user + system) * 1e3) / items;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

for (const backend of [kernel(), native()].filter(({ name }) => name.startsWith(process.argv[5] ?? ""))) {
  setDefaultBackend(backend);
  console.log(
    `\nour side on ${backend.name}, CPU ns an item, medians of ${String(rounds)} rounds of ${String(items)}`,
  );
  console.log(`${"".padEnd(48)}${"peer".padStart(8)}${"bridge".padStart(8)}  ratio`);
  for (const { name, peer, bridge, first = 0 } of contests.filter(({ name }) => name.includes(only))) {
    const expected = (items * (items - 1)) / 2 + first * items;
    const times: { peer: number[]; bridge: number[] } = { peer: [], bridge: [] };
    await timed(peer, expected);
    await timed(bridge, expected);
    for (let round = 0; round < rounds; round++) {
      times.peer.push(await timed(peer, expected));
      times.bridge.push(await timed(bridge, expected));
    }
    const [own, ours] = [median(times.peer), median(times.bridge)];
    // Of neighbours: what else the machine does for a while slows both.
    const ratio = median(times.bridge.map((time, round) => time / (times.peer[round] as number)));
    console.log(
      `${name.padEnd(48)}${own.toFixed(0).padStart(8)}${ours.toFixed(0).padStart(8)}  ${ratio.toFixed(2)}${ratio > 2 ? " MISSED" : ""}`,
    );
  }
}
