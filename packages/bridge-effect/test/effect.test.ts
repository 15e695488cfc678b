/** What the rules of bridges do not say: fibers and runs under each other, typed failures, streams and queues in use. */
import { UniversalEvent } from "@anyloop/bridge";
import { fromEffect, fromQueue, fromStream, toEffect, toQueue, toStream } from "@anyloop/bridge-effect";
import {
  type Coroutine,
  currentTask,
  errorsOf,
  forEach,
  fromPromise,
  memoryStream,
  moveOnAfter,
  type Operation,
  shield,
  sleep,
  sleepForever,
  TaskCancelled,
  TaskGroupError,
  taskGroup,
  use,
} from "@anyloop/core";
import { hostTurn } from "@anyloop/core/lowlevel";
import { kernel } from "@anyloop/kernel";
import { everyBackend } from "@anyloop/testing";
import { Cause, Context, Data, Effect, Exit, Fiber, Queue, References, Stream } from "effect";
import { expect, expectTypeOf, test } from "vitest";

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
class Refused extends Data.TaggedError("Refused")<{ readonly cause: unknown }> {}

each("a timeout of ours interrupts a fiber and waits for its finalizers", function* () {
  const steps: string[] = [];
  const stubborn = Effect.never.pipe(
    Effect.ensuring(Effect.sleep(1).pipe(Effect.andThen(Effect.sync(() => void steps.push("finalized"))))),
  );
  expect(yield* moveOnAfter(1, fromEffect(stubborn))).toBeUndefined();
  expect(steps).toEqual(["finalized"]);
});

each("failures and defects are thrown as themselves, several together", function* () {
  const [boom, bang] = [new Error("boom"), new Error("bang")];
  expect(yield* caught(fromEffect(Effect.fail(boom)))).toBe(boom);
  expect(yield* caught(fromEffect(Effect.die(bang)))).toBe(bang);
  const both = yield* caught(fromEffect(Effect.fail(boom).pipe(Effect.ensuring(Effect.die(bang)))));
  expect(both).toBeInstanceOf(TaskGroupError);
  expect(errorsOf(both)).toEqual([boom, bang]);
});

each("a fiber that somebody else interrupts is TaskCancelled here", function* () {
  expect(yield* caught(fromEffect(Effect.interrupt))).toBeInstanceOf(TaskCancelled);
});

each("an effect is given what it requires", function* () {
  const Name = Context.Reference<string>("Name", { defaultValue: () => "nobody" });
  const greeting = Effect.map(Name, (name) => `hello ${name}`);
  expect(yield* fromEffect(greeting)).toBe("hello nobody");
  expect(yield* fromEffect(greeting, Context.make(Name, "world"))).toBe("hello world");
});

test("work of ours is an effect, with a typed failure", async () => {
  const boom = new Error("boom");
  const failing = toEffect(
    (): number => {
      throw boom;
    },
    { backend, catch: (cause) => new Refused({ cause }) },
  );
  expectTypeOf(failing).toEqualTypeOf<Effect.Effect<number, Refused>>();
  const handled = failing.pipe(Effect.catchTag("Refused", ({ cause }) => Effect.succeed(cause)));
  expect(await Effect.runPromise(handled)).toBe(boom);
  const plain = toEffect(() => currentTask().name, { backend, name: "ours" });
  expectTypeOf(plain).toEqualTypeOf<Effect.Effect<string, unknown>>();
  expect(await Effect.runPromise(plain)).toBe("ours");
});

test("interrupting a fiber cancels the run of ours and waits for its real end", async () => {
  const steps: string[] = [];
  const begun = new UniversalEvent();
  const work = toEffect(
    function* () {
      begun.set();
      try {
        yield* sleepForever();
      } finally {
        yield* shield(sleep(1));
        steps.push("cleaned");
      }
    },
    { backend },
  );
  const fiber = Effect.runFork(work);
  await begun.waitPromise();
  const exit = await Effect.runPromise(Fiber.interrupt(fiber).pipe(Effect.andThen(Fiber.await(fiber))));
  expect(steps).toEqual(["cleaned"]);
  expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true);
});

test("an error of our cleanup is a defect of the interruption", async () => {
  const boom = new Error("boom");
  const begun = new UniversalEvent();
  const work = toEffect(
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
  );
  const fiber = Effect.runFork(work);
  await begun.waitPromise();
  const exit = await Effect.runPromise(Fiber.interrupt(fiber).pipe(Effect.andThen(Fiber.await(fiber))));
  expect(
    Exit.isFailure(exit) &&
      exit.cause.reasons.some((reason) => Cause.isDieReason(reason) && reason.defect === boom),
  ).toBe(true);
});

each("their scope holds ours holds theirs", function* () {
  const inner = fromEffect(Effect.succeed(20).pipe(Effect.delay(1)));
  const ours = toEffect(
    function* () {
      return (yield* inner) + 1;
    },
    { backend },
  );
  expect(yield* fromEffect(Effect.map(ours, (value) => value * 2))).toBe(42);
});

each("a stream of ours goes through their operators, and comes back", function* () {
  yield* taskGroup(function* (group) {
    const [send, receive] = memoryStream<number>();
    group.startSoon(function* () {
      for (let item = 0; item < 100; item++) yield* send.send(item);
      yield* send.close();
    });
    const doubled = toStream(group, receive).pipe(Stream.map((item) => item * 2));
    const got: number[] = [];
    yield* forEach(fromStream(doubled), (item) => void got.push(item));
    expect(got).toEqual(Array.from({ length: 100 }, (_, index) => index * 2));
  });
});

each("a stream of theirs that has enough closes the stream of ours", function* () {
  yield* taskGroup(function* (group) {
    const [send, receive] = memoryStream<number>();
    const three = Effect.runPromise(toStream(group, receive).pipe(Stream.take(3), Stream.runCollect));
    const error = yield* caught(
      taskGroup(function* () {
        for (let item = 0; ; item++) yield* send.send(item);
      }),
    );
    expect((error as Error).name).toBe("BrokenResourceError");
    expect(yield* fromPromise(three)).toEqual([0, 1, 2]);
  });
});

each("a queue of theirs joins fibers and tasks, both ways", function* () {
  const queue = Effect.runSync(Queue.bounded<number, Cause.Done>(2));
  const answers = Effect.runSync(Queue.bounded<number, Cause.Done>(2));
  const fiber = Effect.runFork(
    Stream.fromQueue(queue).pipe(
      Stream.runForEach((item) => Queue.offer(answers, item * 2)),
      Effect.andThen(Queue.end(answers)),
    ),
  );
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      const send = toQueue(queue);
      for (let item = 0; item < 20; item++) yield* send.send(item);
      yield* send.close();
    });
    const got: number[] = [];
    yield* forEach(fromQueue(answers), (item) => void got.push(item));
    expect(got).toEqual(Array.from({ length: 20 }, (_, index) => index * 2));
  });
  yield* fromEffect(Fiber.await(fiber));
});

each("a queue that drops what it has no room for drops ours as well", function* () {
  const queue = Effect.runSync(Queue.dropping<number, Cause.Done>(1));
  const send = toQueue(queue);
  yield* send.send(1);
  yield* send.send(2);
  expect(yield* fromEffect(Queue.takeAll(queue))).toEqual([1]);
});

each("a fiber that gives others a turn at any step does not miss that it is wanted", function* () {
  for (let steps = 10; steps < 60; steps++) {
    const often = Context.make(References.MaxOpsBeforeYield, steps);
    yield* use(fromStream(Stream.range(1, 100), often), function* (items) {
      let got = 0;
      // More at a time than the fiber may be ahead: the last of them finds nothing there, and asks.
      for (let next = yield* items.next(); next.done !== true; next = yield* items.next()) {
        if (++got % 17 === 0) yield* fromPromise(new Promise<void>(hostTurn));
      }
      expect(got).toBe(100);
    });
  }
});
