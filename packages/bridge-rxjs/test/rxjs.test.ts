/** What the rules of bridges do not say: operators in between, observers, observables that emit when subscribed to. */
import { BufferOverflowError } from "@anyloop/bridge";
import { fromObservable, toObservable, toObserver } from "@anyloop/bridge-rxjs";
import {
  BrokenResourceError,
  ClosedResourceError,
  type Coroutine,
  forEach,
  fromPromise,
  memoryStream,
  type Operation,
  RunFinishedError,
  sleep,
  taskGroup,
  use,
} from "@anyloop/core";
import { everyBackend } from "@anyloop/testing";
import {
  concat,
  filter,
  interval,
  lastValueFrom,
  map,
  of,
  range,
  Subject,
  take,
  throwError,
  toArray,
} from "rxjs";
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

each("what is emitted while subscribing comes as well, and an error after it", function* () {
  const boom = new Error("boom");
  const stream = fromObservable(
    concat(
      of(1, 2),
      throwError(() => boom),
    ),
  );
  expect([yield* stream.receive(), yield* stream.receive()]).toEqual([1, 2]);
  expect((yield* caught(stream.receive())) as Error).toMatchObject({ cause: boom });
});

each("an observable that emits more at once than the buffer takes is stopped there", function* () {
  let emitted = 0;
  const stream = fromObservable(range(0, 1_000_000).pipe(map(() => ++emitted)), { capacity: 3 });
  expect(emitted).toBe(4);
  for (const item of [1, 2, 3]) expect(yield* stream.receive()).toBe(item);
  const error = yield* caught(stream.receive());
  expect(error).toBeInstanceOf(BrokenResourceError);
  expect((error as Error).cause).toBeInstanceOf(BufferOverflowError);
});

each("operators work on a stream of ours, and their result is a stream again", function* () {
  yield* taskGroup(function* (group) {
    const [send, receive] = memoryStream<number>();
    group.startSoon(function* () {
      for (let item = 0; item < 10; item++) yield* send.send(item);
      yield* send.close();
    });
    const even = toObservable(group, receive).pipe(filter((item) => item % 2 === 0));
    const got: number[] = [];
    yield* use(fromObservable(even), (stream) => forEach(stream, (item) => void got.push(item)));
    expect(got).toEqual([0, 2, 4, 6, 8]);
  });
});

each("an observable that has enough closes the stream of ours", function* () {
  yield* taskGroup(function* (group) {
    const [send, receive] = memoryStream<number>();
    const three = lastValueFrom(toObservable(group, receive).pipe(take(3), toArray()));
    const error = yield* caught(
      taskGroup(function* () {
        for (let item = 0; ; item++) yield* send.send(item);
      }),
    );
    expect(error).toBeInstanceOf(BrokenResourceError);
    expect(yield* fromPromise(three)).toEqual([0, 1, 2]);
  });
});

each("a group that ends is the error of the observable it fed", function* () {
  let failing: Promise<unknown> = Promise.resolve();
  yield* taskGroup(function* (group) {
    const [, receive] = memoryStream<number>();
    failing = lastValueFrom(toObservable(group, receive)).catch((error: unknown) => error);
    yield* sleep(0);
    group.cancel();
  });
  expect(yield* fromPromise(failing)).toBeInstanceOf(RunFinishedError);
});

each("a subject is sent to, completed and failed", function* () {
  const boom = new Error("boom");
  const [done, failed] = [new Subject<number>(), new Subject<number>()];
  const all = lastValueFrom(done.pipe(toArray()));
  const failing = lastValueFrom(failed).catch((error: unknown) => error);
  const send = toObserver(done);
  yield* send.send(1);
  yield* send.send(2);
  yield* send.close();
  expect(yield* caught(send.send(3))).toBeInstanceOf(ClosedResourceError);
  toObserver(failed).fail(boom);
  expect(yield* fromPromise(all)).toEqual([1, 2]);
  expect(yield* fromPromise(failing)).toBe(boom);
});

each("closing unsubscribes from what would go on for ever", function* () {
  const stream = fromObservable(interval(1));
  expect(yield* stream.receive()).toBe(0);
  yield* stream.close();
});
