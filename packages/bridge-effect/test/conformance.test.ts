/** The bridges to Effect keep the rules of bridges, with its own fibers, streams and queues. */
import { closeWith } from "@anyloop/bridge";
import { fromEffect, fromQueue, fromStream, stream, toQueue } from "@anyloop/bridge-effect";
import type { TaskGroup } from "@anyloop/core";
import {
  bridgeConformance,
  type InwardBridge,
  type OutwardBridge,
  registerCases,
  type WorkBridge,
} from "@anyloop/testing";
import { Cause, Effect, Exit, Pull, Queue, Scope, Stream } from "effect";
import { describe, test } from "vitest";

const options = { seeds: 3 };

/** Runs an effect as foreign code does; rejects with its failure. */
async function perform<A>(effect: Effect.Effect<A, unknown>): Promise<A> {
  const exit = await Effect.runPromiseExit(effect);
  if (Exit.isSuccess(exit)) return exit.value;
  throw Cause.squash(exit.cause);
}

const makeQueue = (capacity: number): Queue.Queue<number, unknown> =>
  Effect.runSync(Queue.bounded<number, unknown>(capacity));

/** Foreign code that offers to a queue. */
function offering(queue: Queue.Queue<number, unknown>, listeners: () => number): InwardBridge["foreign"] {
  return {
    async write(item) {
      if (!(await perform(Queue.offer(queue, item)))) throw new Error("refused");
    },
    end: () => void Queue.endUnsafe(queue),
    fail: (error) => void Queue.failCauseUnsafe(queue, Cause.fail(error)),
    isToldToStop: () => queue.state._tag === "Done",
    hearsReasons: false,
    listeners,
  };
}

function queueIn(group: TaskGroup): InwardBridge {
  const queue = makeQueue(2);
  const ours = closeWith(group, fromQueue(queue));
  return { ours, foreign: offering(queue, () => ("takers" in queue.state ? queue.state.takers.size : 0)) };
}

/** A stream that shuts its queue down when it is left. */
function streamIn(group: TaskGroup): InwardBridge {
  const queue = makeQueue(2);
  let running = 0;
  const items = Stream.unwrap(
    Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => void running++),
        () =>
          Effect.sync(() => {
            running--;
            Queue.shutdownUnsafe(queue);
          }),
      );
      return Stream.fromQueue(queue);
    }),
  );
  const ours = closeWith(group, fromStream(items));
  const foreign = offering(queue, () => running);
  return { ours, foreign };
}

type Read = { done: boolean; value: number | undefined };

/** Foreign code that pulls a stream, a chunk at a time. */
function streamOut(): OutwardBridge {
  const [ours, items] = stream<number>();
  const scope = Effect.runSync(Scope.make());
  const pull = Effect.runSync(Scope.provide(Stream.toPull(items), scope));
  let rest: number[] = [];
  let isLeft = false;
  const leave = (): void => {
    isLeft = true;
    void Effect.runPromise(Scope.close(scope, Exit.void));
  };
  const read = async (): Promise<Read> => {
    const item = rest.shift();
    if (item !== undefined) return { done: false, value: item };
    const exit = await Effect.runPromiseExit(pull);
    if (Exit.isSuccess(exit)) {
      rest = [...exit.value];
      return await read();
    }
    leave();
    if (Pull.isDoneCause(exit.cause)) return { done: true, value: undefined };
    throw Cause.squash(exit.cause);
  };
  return {
    ours,
    fail: (error) => ours.fail(error),
    foreign: { read, cancel: leave, givesReasons: false, listeners: () => (isLeft ? 0 : 1) },
  };
}

function queueOut(): OutwardBridge {
  const queue = makeQueue(2);
  const ours = toQueue(queue);
  return {
    ours,
    fail: (error) => ours.fail(error),
    foreign: {
      async read() {
        const exit = await Effect.runPromiseExit(Queue.take(queue));
        if (Exit.isSuccess(exit)) return { done: false, value: exit.value };
        const error = Cause.squash(exit.cause);
        if (Cause.isDone(error)) return { done: true, value: undefined };
        throw error;
      },
      cancel: (reason) => {
        Effect.runSync(Queue.failCause(queue, Cause.fail(reason)));
        Effect.runSync(Queue.clear(queue).pipe(Effect.ignore));
      },
      listeners: () => ("offers" in queue.state ? queue.state.offers.size : 0),
    },
  };
}

/** An effect that hears of its interruption, and ends only when the test says so. */
function work(): WorkBridge {
  let end: ((effect: Effect.Effect<string, unknown>) => void) | undefined;
  let isTold = false;
  const waiting = Effect.callback<string, unknown>((resume) => {
    end = resume;
  });
  const stubborn = Effect.uninterruptibleMask((restore) =>
    restore(waiting).pipe(
      Effect.catchCause((cause) => {
        if (!Cause.hasInterrupts(cause)) return Effect.failCause(cause);
        isTold = true;
        return waiting;
      }),
    ),
  );
  return {
    operation: fromEffect(stubborn),
    foreign: {
      succeed: (value) => end?.(Effect.succeed(value)),
      fail: (error) => end?.(Effect.fail(error)),
      stop: () => end?.(Effect.interrupt),
      isToldToStop: () => isTold,
      // An interrupted fiber fails at the next place where it can be interrupted, whatever it had.
      givesLateValues: false,
      // What ends the effect is all there is.
      listeners: () => 0,
    },
  };
}

describe("fromQueue", () => registerCases(test, bridgeConformance({ inward: queueIn }, options)));
describe("fromStream", () => registerCases(test, bridgeConformance({ inward: streamIn }, options)));
describe("toQueue", () => registerCases(test, bridgeConformance({ outward: queueOut }, options)));
describe("stream", () => registerCases(test, bridgeConformance({ outward: streamOut }, options)));
describe("fromEffect", () => registerCases(test, bridgeConformance({ work }, options)));
