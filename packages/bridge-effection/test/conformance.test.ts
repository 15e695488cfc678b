/** The bridges to Effection keep the rules of bridges, with its own tasks, queues and streams. */
import { closeWith } from "@anyloop/bridge";
import { fromEffection, fromStream, stream } from "@anyloop/bridge-effection";
import type { TaskGroup } from "@anyloop/core";
import {
  bridgeConformance,
  type InwardBridge,
  type OutwardBridge,
  registerCases,
  type WorkBridge,
} from "@anyloop/testing";
import { action, createQueue, resource, run, type Stream, type Subscription, until } from "effection";
import { describe, test } from "vitest";

const options = { seeds: 3 };

/** A stream of effection's over a web stream, which holds its writer back and is cancelled when the scope ends. */
function streamOf(readable: ReadableStream<number>): Stream<number, void> {
  return resource<Subscription<number, void>>(function* (provide) {
    const reader = readable.getReader();
    try {
      yield* provide({
        *next() {
          const result = yield* until(reader.read());
          return result.done ? { done: true, value: undefined } : result;
        },
      });
    } finally {
      reader.cancel(new Error("left")).catch(() => {});
      reader.releaseLock();
    }
  });
}

function inward(group: TaskGroup): InwardBridge {
  const { readable, writable } = new TransformStream<number, number>();
  const writer = writable.getWriter();
  let isTold = false;
  writer.closed.catch(() => (isTold = true));
  return {
    ours: closeWith(group, fromStream(streamOf(readable))),
    foreign: {
      write: (item) => writer.ready.then(() => writer.write(item)),
      end: () => void writer.close().catch(() => {}),
      fail: (reason) => void writer.abort(reason).catch(() => {}),
      isToldToStop: () => isTold,
      hearsReasons: false,
      listeners: () => (readable.locked ? 1 : 0),
    },
  };
}

type Read = { done: boolean; value: number | undefined };

/** Foreign code that subscribes in a task of its own, and reads when it is told to. */
function outward(): OutwardBridge {
  const [ours, numbers] = stream<number>();
  const reads = createQueue<(read: Read | { readonly error: unknown }) => void, void>();
  let isLeft = false;
  const task = run(function* () {
    const subscription = yield* numbers;
    for (;;) {
      const answer = (yield* reads.next()).value as (read: Read | { readonly error: unknown }) => void;
      try {
        const next = yield* subscription.next();
        isLeft ||= next.done === true;
        answer(next.done === true ? { done: true, value: undefined } : { done: false, value: next.value });
      } catch (error) {
        isLeft = true;
        answer({ error });
      }
      if (isLeft) return;
    }
  });
  return {
    ours,
    fail: (error) => ours.fail(error),
    foreign: {
      read: () =>
        new Promise((resolve, reject) => {
          reads.add((read) => {
            if ("error" in read) reject(read.error);
            else resolve(read);
          });
        }),
      cancel() {
        isLeft = true;
        task.halt().catch(() => {});
      },
      givesReasons: false,
      listeners: () => (isLeft ? 0 : 1),
    },
  };
}

/** An operation that hears of its halt, and ends only when the test says so. */
function work(): WorkBridge {
  let settle: { resolve(value: string): void; reject(error: Error): void } | undefined;
  let isTold = false;
  const waiting = () =>
    action<string>((resolve, reject) => {
      settle = { resolve, reject };
      return () => {};
    });
  return {
    operation: fromEffection(function* () {
      let isOver = false;
      try {
        const value = yield* waiting();
        isOver = true;
        return value;
      } catch (error) {
        isOver = true;
        throw error;
      } finally {
        if (!isOver) {
          isTold = true;
          yield* waiting();
        }
      }
    }),
    foreign: {
      succeed: (value) => settle?.resolve(value),
      fail: (error) => settle?.reject(error),
      stop: () => settle?.resolve("stopped"),
      isToldToStop: () => isTold,
      // A task that is halted has no value, whatever its `finally` does.
      givesLateValues: false,
      // What settles the action is all there is.
      listeners: () => 0,
    },
  };
}

describe("fromStream", () => registerCases(test, bridgeConformance({ inward }, options)));
describe("stream", () => registerCases(test, bridgeConformance({ outward }, options)));
describe("fromEffection", () => registerCases(test, bridgeConformance({ work }, options)));
