/** Bridges to the web's streams, iterables, ports and events. */
import { on } from "node:events";
import * as ofWeb from "@anyloop/bridge-web";
import { run } from "anyloop";
import {
  capacity,
  consume,
  consumeSome,
  type Contest,
  emitAll,
  items,
  join,
  produce,
  readAll,
} from "./contest.ts";

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

/** Known to Node since 20, to the types not yet. */
const streamFrom = (source: AsyncIterable<number>): ReadableStream<number> =>
  (ReadableStream as unknown as { from(source: AsyncIterable<number>): ReadableStream<number> }).from(source);

async function* generated(): AsyncGenerator<number> {
  for (let item = 0; item < items; item++) yield item;
}

export const webContests: readonly Contest[] = [
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
];
