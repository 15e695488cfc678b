/** Bridges to Node's streams and emitters. */
import { EventEmitter, on } from "node:events";
import { PassThrough } from "node:stream";
import * as ofNode from "@anyloop/bridge-node";
import { run } from "anyloop";
import { capacity, consume, type Contest, emitAll, items, join, produce, readAll } from "./contest.ts";

async function writeNode(stream: NodeJS.WritableStream): Promise<void> {
  for (let item = 1; item <= items; item++) {
    if (!stream.write(item as never)) await new Promise((resolve) => void stream.once("drain", resolve));
  }
  stream.end();
}

const nodeQueue = (): PassThrough => new PassThrough({ objectMode: true, highWaterMark: capacity });

export const nodeContests: readonly Contest[] = [
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
];
