/** What the rules of bridges do not say: tasks of each world under scopes of the other, and signals. */
import { UniversalEvent } from "@anyloop/bridge";
import { fromEffection, fromStream, toEffection, toSignal, toStream } from "@anyloop/bridge-effection";
import {
  BrokenResourceError,
  type Coroutine,
  currentTask,
  forEach,
  fromPromise,
  memoryStream,
  type Operation,
  shield,
  sleep as sleepHere,
  sleepForever,
  TaskCancelled,
  taskGroup,
} from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import { everyBackend } from "@anyloop/testing";
import { createScope, createSignal, each as eachItem, run, sleep, spawn, suspend } from "effection";
import { expect, test } from "vitest";

function each(name: string, body: () => Coroutine<unknown>): void {
  for (const { name: title, perform } of everyBackend(name, body, { backends: ["native", "kernel"] })) {
    test(title, perform);
  }
}

function* caught(work: Operation<unknown>): Coroutine<unknown> {
  try {
    yield* work;
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
}

const backend = kernel();

each("a cancellation of ours tears a tree of theirs down, and waits for it", function* () {
  const steps: string[] = [];
  const begun = { child: new UniversalEvent(), parent: new UniversalEvent() };
  function* stubborn(name: "child" | "parent") {
    begun[name].set();
    try {
      yield* suspend();
    } finally {
      yield* sleep(1);
      steps.push(name);
    }
  }
  const work = fromEffection(function* () {
    void (yield* spawn(() => stubborn("child")));
    yield* stubborn("parent");
  });
  yield* taskGroup(function* (group) {
    const task = group.startSoon(work);
    yield* begun.child.wait();
    yield* begun.parent.wait();
    task.cancel();
    yield* task.wait();
    expect(task.status).toBe("cancelled");
    expect(steps.toSorted()).toEqual(["child", "parent"]);
  });
});

each("an error of a child of theirs is thrown as itself, and brings nothing else down", function* () {
  const boom = new Error("boom");
  const work = fromEffection(function* () {
    void (yield* spawn(function* () {
      yield* sleep(1);
      throw boom;
    }));
    yield* suspend();
  });
  expect(yield* caught(work)).toBe(boom);
  expect(
    yield* fromEffection(function* () {
      yield* sleep(0);
      return "alive";
    }),
  ).toBe("alive");
});

each("a task that their side halts is TaskCancelled here, also where it cleans up first", function* () {
  const [scope, destroy] = createScope();
  setTimeout(() => void destroy(), 1);
  const work = fromEffection(function* () {
    try {
      yield* suspend();
    } finally {
      yield* sleep(1);
    }
  }, scope);
  expect(yield* caught(work)).toBeInstanceOf(TaskCancelled);
});

test("an operation of ours is one of theirs, errors included", async () => {
  const boom = new Error("boom");
  const answer = await run(function* () {
    try {
      yield* toEffection(
        () => {
          throw boom;
        },
        { backend },
      );
    } catch (error) {
      expect(error).toBe(boom);
    }
    return yield* toEffection(
      function* () {
        yield* sleepHere(1);
        return currentTask().name;
      },
      { backend, name: "ours" },
    );
  });
  expect(answer).toBe("ours");
});

test("halting a task of theirs cancels the run of ours and waits for its real end", async () => {
  const steps: string[] = [];
  const begun = new UniversalEvent();
  const task = run(function* () {
    yield* toEffection(
      function* () {
        begun.set();
        try {
          yield* sleepForever();
        } finally {
          yield* shield(sleepHere(1));
          steps.push("cleaned");
        }
      },
      { backend },
    );
    steps.push("never");
  });
  await begun.waitPromise();
  await task.halt();
  expect(steps).toEqual(["cleaned"]);
});

test("an error of our cleanup is the halt's", async () => {
  const boom = new Error("boom");
  const begun = new UniversalEvent();
  const task = run(() =>
    toEffection(
      function* () {
        begun.set();
        try {
          yield* sleepForever();
        } finally {
          // oxlint-disable-next-line no-unsafe-finally
          throw boom;
        }
      },
      { backend },
    ),
  );
  await begun.waitPromise();
  await expect(task.halt()).rejects.toBe(boom);
});

each("a stream of ours is read with their `each`, and one of theirs with our forEach", function* () {
  yield* taskGroup(function* (group) {
    const [send, receive] = memoryStream<number>();
    group.startSoon(function* () {
      for (let item = 0; item < 100; item++) yield* send.send(item);
      yield* send.close();
    });
    const theirs = toStream(group, receive);
    const got: number[] = [];
    yield* forEach(fromStream(theirs), (item) => void got.push(item));
    expect(got).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });
});

each("a loop of theirs that is left closes the stream of ours", function* () {
  yield* taskGroup(function* (group) {
    const [send, receive] = memoryStream<number>();
    const theirs = toStream(group, receive);
    const first = run(function* () {
      for (const item of yield* eachItem(theirs)) {
        if (item === 2) return item;
        yield* eachItem.next();
      }
      return undefined;
    });
    const error = yield* caught(
      taskGroup(function* () {
        for (let item = 0; ; item++) yield* send.send(item);
      }),
    );
    expect(error).toBeInstanceOf(BrokenResourceError);
    expect(yield* fromPromise(first)).toBe(2);
  });
});

each("what is sent to a signal of theirs comes to its subscribers", function* () {
  const signal = createSignal<number, void>();
  const stream = fromStream(signal);
  const send = toSignal(signal);
  yield* send.send(1);
  yield* send.send(2);
  yield* send.close();
  const got: number[] = [];
  yield* forEach(stream, (item) => void got.push(item));
  expect(got).toEqual([1, 2]);
});
