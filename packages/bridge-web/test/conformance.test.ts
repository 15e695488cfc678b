/** Every bridge to the web keeps the rules of bridges, with the host's own streams, targets and ports. */
import { type BridgeReceiveStream, closeWith } from "@anyloop/bridge";
import {
  asyncIterable,
  events,
  fromAsyncIterable,
  fromMessagePort,
  fromReadable,
  readableStream,
  toWritable,
  writableStream,
} from "@anyloop/bridge-web";
import { type Coroutine, type Operation, perform, type TaskGroup } from "@anyloop/core";
import { ReceiveStreamBase } from "@anyloop/core/lowlevel";
import {
  bridgeConformance,
  type InwardBridge,
  type OutwardBridge,
  type PushedBridge,
  registerCases,
} from "@anyloop/testing";
import { describe, test } from "vitest";
import { hasCloseEvents } from "./close-events.ts";

const ignore = (): void => {};
const options = { seeds: 3 };

/** Foreign code that writes a web stream. */
function foreignWriter(writable: WritableStream<number>, listeners: () => number): InwardBridge["foreign"] {
  const writer = writable.getWriter();
  let isTold = false;
  writer.closed.catch(() => (isTold = true));
  return {
    write: (item) => writer.ready.then(() => writer.write(item)),
    end: () => void writer.close().catch(ignore),
    fail: (reason) => void writer.abort(reason).catch(ignore),
    isToldToStop: () => isTold,
    listeners,
  };
}

function readable(group: TaskGroup): InwardBridge {
  const { readable: source, writable } = new TransformStream<number, number>();
  const ours = closeWith(group, fromReadable(source));
  return { ours, foreign: foreignWriter(writable, () => (source.locked ? 1 : 0)) };
}

function writable(group: TaskGroup): InwardBridge {
  const [sink, receive] = writableStream<number>();
  return { ours: closeWith(group, receive), foreign: foreignWriter(sink, () => 0) };
}

/** Reads a web stream; unlike its own iterator, and any async generator, it stops at once when it is left. */
function iteratorOf(source: ReadableStream<number>): AsyncIterable<number> {
  const reader = source.getReader();
  const release = (): IteratorReturnResult<undefined> => {
    reader.releaseLock();
    return { done: true, value: undefined };
  };
  const iterator: AsyncIterator<number> = {
    async next() {
      try {
        const result = await reader.read();
        return result.done ? release() : result;
      } catch (error) {
        release();
        throw error;
      }
    },
    async return() {
      const end = reader.cancel();
      release();
      await end;
      return { done: true, value: undefined };
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

function iterable(group: TaskGroup): InwardBridge {
  const { readable: source, writable: sink } = new TransformStream<number, number>();
  const ours = closeWith(group, fromAsyncIterable(iteratorOf(source)));
  const foreign = foreignWriter(sink, () => (source.locked ? 1 : 0));
  // Told no reason, a web stream rejects with undefined.
  const write = (item: number): Promise<unknown> =>
    Promise.resolve(foreign.write(item)).catch((error: unknown) => {
      throw error ?? new Error("refused");
    });
  return { ours, foreign: { ...foreign, write, hearsReasons: false } };
}

function foreignReader(stream: ReadableStream<number>, listeners: () => number): OutwardBridge["foreign"] {
  const reader = stream.getReader();
  return {
    read: () => reader.read(),
    cancel: (reason) => void reader.cancel(reason).catch(ignore),
    listeners,
  };
}

function toSink(): OutwardBridge {
  const { readable: source, writable: sink } = new TransformStream<number, number>();
  const ours = toWritable(sink);
  return {
    ours,
    fail: (error) => ours.fail(error),
    foreign: foreignReader(source, () => (sink.locked ? 1 : 0)),
  };
}

function toReader(): OutwardBridge {
  const [ours, source] = readableStream<number>();
  return { ours, fail: (error) => ours.fail(error), foreign: foreignReader(source, () => 0) };
}

function toLoop(): OutwardBridge {
  const [ours, items] = asyncIterable<number>();
  return {
    ours,
    fail: (error) => ours.fail(error),
    foreign: {
      read: () => items.next() as Promise<{ done: boolean; value: number | undefined }>,
      cancel: (reason) => void items.throw?.(reason),
      listeners: () => 0,
    },
  };
}

/** Counts what listens to a target. */
function counted<T extends EventTarget>(target: T): T & { readonly listeners: number } {
  const { addEventListener, removeEventListener } = target;
  const counting = Object.assign(target, { listeners: 0 });
  target.addEventListener = (...args: Parameters<EventTarget["addEventListener"]>) => {
    counting.listeners++;
    Reflect.apply(addEventListener, target, args);
  };
  target.removeEventListener = (...args: Parameters<EventTarget["removeEventListener"]>) => {
    counting.listeners--;
    Reflect.apply(removeEventListener, target, args);
  };
  return counting;
}

/** The rules compare items, and events are all alike to them. */
class Details extends ReceiveStreamBase<number> {
  private readonly source: BridgeReceiveStream<CustomEvent<number>>;

  constructor(source: BridgeReceiveStream<CustomEvent<number>>) {
    super();
    this.source = source;
  }

  receive(): Operation<number> {
    return perform<this, [], number>(this, this.doReceive);
  }

  close(): Operation<void> {
    return this.source.close();
  }

  private *doReceive(): Coroutine<number> {
    return (yield* this.source.receive()).detail;
  }
}

const capacity = 30;

function targetEvents(group: TaskGroup): PushedBridge {
  const target = counted(new EventTarget());
  const source = closeWith(group, events<CustomEvent<number>>(target, "item", { capacity }));
  return {
    ours: new Details(source),
    capacity,
    foreign: {
      emit: (item) => void target.dispatchEvent(new CustomEvent("item", { detail: item })),
      listeners: () => target.listeners,
    },
  };
}

function portMessages(group: TaskGroup): PushedBridge {
  const { port1, port2 } = new MessageChannel();
  const port = counted(port1);
  return {
    ours: closeWith(group, fromMessagePort<number>(port, { capacity })),
    capacity,
    foreign: {
      emit: (item) => port2.postMessage(item),
      ...(hasCloseEvents ? { end: () => port2.close() } : {}),
      listeners: () => port.listeners,
    },
  };
}

describe("fromReadable", () => registerCases(test, bridgeConformance({ inward: readable }, options)));
describe("writableStream", () => registerCases(test, bridgeConformance({ inward: writable }, options)));
describe("toWritable", () => registerCases(test, bridgeConformance({ outward: toSink }, options)));
describe("readableStream", () => registerCases(test, bridgeConformance({ outward: toReader }, options)));
describe("asyncIterable", () => registerCases(test, bridgeConformance({ outward: toLoop }, options)));
describe("events", () => registerCases(test, bridgeConformance({ pushed: targetEvents }, options)));
describe("fromMessagePort", () => registerCases(test, bridgeConformance({ pushed: portMessages }, options)));
describe("fromAsyncIterable", () => registerCases(test, bridgeConformance({ inward: iterable }, options)));
