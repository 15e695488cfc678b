/** Every bridge to Node keeps the rules of bridges, with real streams, emitters and callbacks. */
import { EventEmitter } from "node:events";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { type BridgeReceiveStream, type BridgeSendStream, closeWith } from "@anyloop/bridge";
import {
  duplex,
  events,
  fromCallback,
  fromReadable,
  readable,
  toWritable,
  writable,
} from "@anyloop/bridge-node";
import { type Coroutine, type Operation, perform, type TaskGroup } from "@anyloop/core";
import { ReceiveStreamBase } from "@anyloop/core/lowlevel";
import {
  bridgeConformance,
  type InwardBridge,
  objectStreamConformance,
  type OutwardBridge,
  type PushedBridge,
  registerCases,
  type WorkBridge,
} from "@anyloop/testing";
import { describe, test } from "vitest";

const options = { seeds: 3 };
const objects = { objectMode: true, highWaterMark: 2 } as const;

/** Everything that listens to an emitter. */
function listenersOf(emitter: EventEmitter): number {
  return emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);
}

/** Foreign code that writes a stream, each item once the one before was taken. */
function foreignWriter(stream: Writable, listeners: () => number): InwardBridge["foreign"] {
  const written = (item: number): Promise<void> =>
    new Promise((resolve, reject) => {
      if (stream.destroyed) {
        reject(stream.errored ?? new Error("destroyed"));
        return;
      }
      const isRoom = stream.write(item, (error) => {
        if (error != null) reject(error);
      });
      if (isRoom) {
        resolve();
        return;
      }
      const settle = (): void => {
        stream.off("drain", settle).off("close", settle);
        if (stream.destroyed) reject(stream.errored ?? new Error("destroyed"));
        else resolve();
      };
      stream.on("drain", settle).on("close", settle);
    });
  return {
    write: written,
    end: () => void stream.end(),
    fail: (error) => void stream.destroy(error),
    isToldToStop: () => stream.destroyed,
    listeners,
  };
}

function passing(group: TaskGroup): InwardBridge {
  const stream = new PassThrough(objects);
  const before = listenersOf(stream);
  const ours = closeWith(group, fromReadable<number>(stream));
  return { ours, foreign: foreignWriter(stream, () => listenersOf(stream) - before) };
}

function sink(group: TaskGroup): InwardBridge {
  const [stream, receive] = writable<number>();
  stream.on("error", () => {});
  return { ours: closeWith(group, receive), foreign: foreignWriter(stream, () => 0) };
}

/** Foreign code that reads a stream, one item at a time and nothing ahead. */
function foreignReader(stream: Readable, listeners: () => number): OutwardBridge["foreign"] {
  stream.on("error", () => {});
  const read = (): Promise<{ done: boolean; value: number | undefined }> =>
    new Promise((resolve, reject) => {
      const settle = (): void => {
        const value = stream.read() as number | null;
        if (value === null && !stream.readableEnded && !stream.destroyed) return;
        stream.off("readable", settle).off("end", settle).off("close", settle);
        if (value !== null) resolve({ done: false, value });
        else if (stream.errored == null) resolve({ done: true, value: undefined });
        else reject(stream.errored);
      };
      stream.on("readable", settle).on("end", settle).on("close", settle);
      settle();
    });
  return { read, cancel: (reason) => void stream.destroy(reason), listeners };
}

function toPassing(): OutwardBridge {
  const stream = new PassThrough(objects);
  stream.on("error", () => {});
  const ours = toWritable<number>(stream);
  // What only a writer listens to: the reader of the test listens as well.
  const foreign = foreignReader(stream, () => stream.listenerCount("drain") + stream.listenerCount("finish"));
  return { ours, fail: (error) => ours.fail(error), foreign };
}

function source(): OutwardBridge {
  const [ours, stream] = readable<number>();
  return { ours, fail: (error) => ours.fail(error), foreign: foreignReader(stream, () => 0) };
}

/** The rules compare items, and an event's arguments are a list. */
class Firsts extends ReceiveStreamBase<number> {
  private readonly stream: ReturnType<typeof events<[number]>>;

  constructor(stream: ReturnType<typeof events<[number]>>) {
    super();
    this.stream = stream;
  }

  receive(): Operation<number> {
    return perform<this, [], number>(this, this.doReceive);
  }

  close(): Operation<void> {
    return this.stream.close();
  }

  private *doReceive(): Coroutine<number> {
    return (yield* this.stream.receive())[0];
  }
}

function emitted(group: TaskGroup): PushedBridge {
  const emitter = new EventEmitter();
  const capacity = 30;
  const stream = closeWith(group, events<[number]>(emitter, "item", { capacity, close: ["end"] }));
  return {
    ours: new Firsts(stream),
    capacity,
    foreign: {
      emit: (item) => void emitter.emit("item", item),
      end: () => void emitter.emit("end"),
      fail: (error) => void emitter.emit("error", error),
      listeners: () => listenersOf(emitter),
    },
  };
}

function work(): WorkBridge {
  let call: ((error: unknown, value?: string) => void) | undefined;
  let isTold = false;
  return {
    operation: fromCallback<string>((done) => {
      call = done;
      return () => {
        isTold = true;
      };
    }),
    foreign: {
      succeed: (value) => call?.(null, value),
      fail: (error) => call?.(error),
      stop: () => call?.(new DOMException("stopped", "AbortError")),
      isToldToStop: () => isTold,
      // What calls back is all there is.
      listeners: () => 0,
    },
  };
}

/** What is sent into our end of a duplex, and what comes out of our stream around the duplex. */
function throughDuplex(): readonly [BridgeSendStream<number>, BridgeReceiveStream<number>] {
  const [stream, send] = duplex<number>();
  stream.on("error", () => {});
  return [send, fromReadable<number>(stream)];
}

/** A duplex: foreign code writes it, and reads it. */
function duplexIn(group: TaskGroup): InwardBridge {
  const [stream, , receive] = duplex<number>();
  stream.on("error", () => {});
  return { ours: closeWith(group, receive), foreign: foreignWriter(stream, () => 0) };
}

function duplexOut(): OutwardBridge {
  const [stream, ours] = duplex<number>();
  return { ours, fail: (error) => ours.fail(error), foreign: foreignReader(stream, () => 0) };
}

describe("fromReadable", () => registerCases(test, bridgeConformance({ inward: passing }, options)));
describe("writable", () => registerCases(test, bridgeConformance({ inward: sink }, options)));
describe("toWritable", () => registerCases(test, bridgeConformance({ outward: toPassing }, options)));
describe("readable", () => registerCases(test, bridgeConformance({ outward: source }, options)));
describe("events", () => registerCases(test, bridgeConformance({ pushed: emitted }, options)));
describe("fromCallback", () => registerCases(test, bridgeConformance({ work }, options)));
describe("duplex", () =>
  registerCases(test, bridgeConformance({ inward: duplexIn, outward: duplexOut }, options)));
describe("from our end of a duplex to our stream around it", () =>
  registerCases(test, objectStreamConformance(throughDuplex, { backends: ["native", "kernel"] })));
