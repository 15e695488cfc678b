/** Streams over a port keep the rules of bridges and of object streams, with the ports of whatever runs the tests. */
import { closeWith, UniversalQueue, UniversalResult } from "@anyloop/bridge";
import { portPortal, portQueue, portStream, servePortal, shareQueue } from "@anyloop/bridge-worker";
import {
  ClosedResourceError,
  fromPromise,
  kernel,
  native,
  run,
  RunFinishedError,
  sleep,
  taskGroup,
  type TaskGroup,
} from "anyloop";
import {
  bridgeConformance,
  type InwardBridge,
  objectStreamConformance,
  type OutwardBridge,
  registerCases,
  type WorkBridge,
} from "@anyloop/testing";
import { describe, expect, test } from "vitest";
import { caught, each } from "./each.ts";
import { portPair } from "./ports.ts";

const ignore = (): void => {};

function inward(group: TaskGroup): InwardBridge {
  const [here, there] = portPair();
  const theirs = portStream<number>(there, { capacity: 4 });
  return {
    ours: closeWith(group, portStream<number>(here, { capacity: 4 })),
    foreign: {
      write: (item) => run(theirs.send(item)),
      end: () => void run(theirs.close()).catch(ignore),
      fail: (error) => theirs.fail(error),
      isToldToStop: () => there.listeners === 0,
      listeners: () => here.listeners,
      copiesErrors: true,
    },
  };
}

function outward(): OutwardBridge {
  const [here, there] = portPair();
  const theirs = portStream<number>(there, { capacity: 4 });
  const ours = portStream<number>(here, { capacity: 4 });
  return {
    ours,
    fail: (error) => ours.fail(error),
    foreign: {
      read: () => run(theirs.next()).then(({ done, value }) => ({ done: done === true, value })),
      cancel: (reason) => theirs.fail(reason),
      listeners: () => here.listeners,
      copiesErrors: true,
    },
  };
}

interface Settle {
  resolve(value: string): void;
  reject(error: unknown): void;
}

/** Messages, unreadable messages, errors, the end. */
const listenersOfAPort = 4;

/** Work at the other side of a port, settled by hand. */
function work(group: TaskGroup): WorkBridge {
  const [here, there] = portPair();
  const begun = new UniversalResult<Settle>();
  /** The work may not have begun over there when it is to end. */
  const settle = (how: (work: Settle) => void): void => void begun.waitWith({ resume: how, fail: ignore });
  let signal: AbortSignal | undefined;
  const functions = {
    work: () =>
      fromPromise((given) => {
        signal = given;
        return new Promise<string>((resolve, reject) => void begun.resolve({ resolve, reject }));
      }),
  };
  group.startSoon(servePortal(there, functions));
  const portal = portPortal<typeof functions>(here);
  return {
    operation: portal.call("work"),
    foreign: {
      succeed: (value) => settle(({ resolve }) => resolve(value)),
      fail: (error) => settle(({ reject }) => reject(error)),
      stop: () => settle(({ reject }) => reject(signal?.reason)),
      isToldToStop: () => signal?.aborted === true,
      // The portal itself listens for as long as it is open.
      listeners: () => here.listeners - listenersOfAPort,
      copiesErrors: true,
    },
  };
}

describe("a portal over a port", () => registerCases(test, bridgeConformance({ work }, { seeds: 3 })));

describe("a stream from a port", () =>
  registerCases(test, bridgeConformance({ inward, outward }, { seeds: 3 })));

for (const capacity of [1, 3]) {
  describe(`two ends of a stream over ports, capacity ${String(capacity)}`, () =>
    registerCases(
      test,
      objectStreamConformance(
        () => {
          const [left, right] = portPair();
          return [portStream<number>(left, { capacity }), portStream<number>(right, { capacity })];
        },
        { seeds: 3 },
      ),
    ));
}

each(
  "a queue is shared with whoever opens it next, also after others have left before it was shared",
  function* () {
    const [here, there] = portPair();
    // Somebody listens on the port, so what is said there is heard.
    const other = portStream<string>(here, { name: "other" });
    for (let visitor = 0; visitor < 2; visitor++) yield* portQueue<number>(there).close();
    const saysThatTheyLeft = portStream<string>(there, { name: "other" });
    yield* saysThatTheyLeft.send("they have left");
    yield* other.receive();
    const owned = new UniversalQueue<number>();
    const sharing = shareQueue(here, owned);
    const queue = portQueue<number>(there);
    yield* queue.put(1);
    expect(yield* owned.get()).toBe(1);
    sharing.close();
    expect(yield* caught(queue.put(2))).toBeInstanceOf(RunFinishedError);
    for (const end of [queue, other, saysThatTheyLeft]) yield* end.close();
    expect([here.listeners, there.listeners]).toEqual([0, 0]);
  },
);

test("an item goes to nobody who leaves in the very turn in which it is put", async () => {
  const [here, there] = portPair();
  const owned = new UniversalQueue<string>();
  const sharing = shareQueue(here, owned);
  const [news, writer] = [portStream<string>(here), portStream<string>(there)];
  const queue = portQueue<string>(there);
  const owner = run(
    function* () {
      yield* owned.put(yield* news.receive());
    },
    { backend: kernel() },
  );
  await run(
    taskGroup(function* (group) {
      const getting = group.startSoon(() => caught(queue.get()));
      while (owned.statistics().waitingGet === 0) yield* sleep(1);
      // Both go out in one message of the port, which wakes the owner there and then.
      yield* writer.send("news");
      yield* queue.close();
      expect(yield* getting.join()).toBeInstanceOf(ClosedResourceError);
    }),
    { backend: native() },
  );
  await owner;
  expect(owned.getNowait()).toBe("news");
  sharing.close();
  for (const end of [news, writer]) await end.close();
});
