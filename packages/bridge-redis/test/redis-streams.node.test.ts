/** What is Redis's own: groups, trimming, foreign entries, consumers, and what its server refuses. */
import { BrokerError, MalformedMessageError } from "@anyloop/bridge-broker";
import { redisWorkQueue } from "@anyloop/bridge-redis";
import {
  type Coroutine,
  forEach,
  fromPromise,
  moveOnAfter,
  type Operation,
  operation,
  UsageError,
  use,
} from "@anyloop/core";
import { everyBackend } from "@anyloop/testing";
import { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { newStream, skipped, url, useServer } from "./server.ts";

useServer();

function each(name: string, body: (plain: Redis, stream: string) => Coroutine<void>): void {
  const connected = operation(function* connected(): Coroutine<void> {
    const plain = new Redis(url(), { lazyConnect: true });
    yield* fromPromise(plain.connect());
    try {
      yield* body(plain, newStream());
    } finally {
      plain.disconnect();
    }
  });
  const cases = everyBackend(name, () => connected(), { backends: ["native", "kernel"] });
  for (const { name: title, perform } of cases) test(title, perform, 20_000);
}

const caught = operation(function* caught(work: Operation<unknown>): Coroutine<unknown> {
  try {
    yield* work;
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
});

describe.skipIf(skipped !== undefined)(`Redis Streams${skipped === undefined ? "" : ` [${skipped}]`}`, () => {
  each("every group gets every message, and an entry leaves when none needs it", function* (plain, stream) {
    const [first, second] = ["first", "second"].map((group) =>
      redisWorkQueue<number>({ url: url(), stream, group }),
    ) as [ReturnType<typeof redisWorkQueue<number>>, ReturnType<typeof redisWorkQueue<number>>];
    yield* use(first.openReceiver(), (one) =>
      use(second.openReceiver(), (two) =>
        use(first.openSender(), function* (sender) {
          for (const value of [1, 2, 3]) yield* sender.send(value);
          const ofOne = [yield* one.receive(), yield* one.receive(), yield* one.receive()];
          expect(ofOne.map(({ value }) => value)).toEqual([1, 2, 3]);
          for (const delivery of ofOne) yield* delivery.ack();
          expect(yield* fromPromise(plain.xlen(stream))).toBe(3);
          const [a, b, c] = [yield* two.receive(), yield* two.receive(), yield* two.receive()];
          yield* b.ack();
          expect(yield* fromPromise(plain.xlen(stream))).toBe(3);
          yield* a.ack();
          expect(yield* fromPromise(plain.xlen(stream))).toBe(1);
          yield* c.ack();
          expect(yield* fromPromise(plain.xlen(stream))).toBe(0);
        }),
      ),
    );
  });

  each(
    "what is no JSON is thrown with its text and stays; with poison it is a dead letter",
    function* (plain, stream) {
      yield* fromPromise(plain.xadd(stream, "*", "value", "{broken"));
      const error = yield* use(
        redisWorkQueue({ url: url(), stream, redeliverAfter: 50 }).openReceiver(),
        (receiver) => caught(receiver.receive()),
      );
      expect(error).toBeInstanceOf(MalformedMessageError);
      expect((error as MalformedMessageError).raw).toBe("{broken");
      yield* fromPromise(plain.xadd(stream, "*", "name", "Ann", "age", "7"));
      const raws: unknown[] = [];
      const poison = { after: 9, handle: ({ raw }: { raw?: string }) => void raws.push(raw) };
      const queue = redisWorkQueue<string>({ url: url(), stream, redeliverAfter: 50, poison });
      yield* use(queue.openReceiver(), function* (receiver) {
        yield* use(queue.openSender(), (sender) => sender.send("good"));
        yield* moveOnAfter(2_000, () =>
          forEach(receiver, function* (delivery) {
            expect(delivery.value).toBe("good");
            yield* delivery.ack();
          }),
        );
      });
      expect(new Set(raws)).toEqual(new Set(["{broken", "name Ann age 7"]));
      expect(yield* fromPromise(plain.xlen(stream))).toBe(0);
    },
  );

  each("a stream that is deleted while somebody receives is made anew", function* (plain, stream) {
    const queue = redisWorkQueue<number>({ url: url(), stream });
    yield* use(queue.openReceiver(), function* (receiver) {
      yield* fromPromise(plain.del(stream));
      yield* use(queue.openSender(), (sender) => sender.send(1));
      expect((yield* receiver.receive()).value).toBe(1);
    });
  });

  each("a receiver that is closed leaves no consumer behind", function* (plain, stream) {
    const queue = redisWorkQueue<number>({ url: url(), stream });
    yield* use(queue.openSender(), (sender) => sender.send(1));
    yield* use(queue.openReceiver(), (receiver) => receiver.receive());
    const consumers = (yield* fromPromise(plain.xinfo("CONSUMERS", stream, "workers"))) as [string, string][];
    expect(consumers.map(([, name]) => name)).toEqual(["nobody"]);
  });

  each("what cannot be stored is refused at once, and so are options that cannot be", function* (_, stream) {
    const queue = redisWorkQueue<unknown>({ url: url(), stream });
    yield* use(queue.openSender(), function* (sender) {
      const circular: { self?: unknown } = {};
      circular.self = circular;
      for (const value of [undefined, circular, () => 1, Promise.resolve(1), sender.close()]) {
        expect(() => sender.send(value)).toThrow(UsageError);
      }
    });
    expect(() => redisWorkQueue({ url: "localhost:6379", stream })).toThrow(/Give one like redis:/);
    expect(() => redisWorkQueue({ url: url(), stream, capacity: 0 })).toThrow(/capacity is 0/);
    expect(() => redisWorkQueue({ url: url(), stream, redeliverAfter: Number.NaN })).toThrow(
      /redeliverAfter/,
    );
    expect(() => redisWorkQueue({ url: url(), stream: "" })).toThrow(UsageError);
  });

  each(
    "a key that is no stream, and a password that is wrong, are told with the cause",
    function* (plain, stream) {
      yield* fromPromise(plain.set(stream, "text"));
      const queue = redisWorkQueue<number>({ url: url(), stream });
      const wrongKind = yield* caught(use(queue.openSender(), (sender) => sender.send(1)));
      expect(wrongKind).toBeInstanceOf(BrokerError);
      expect(String(wrongKind)).toMatch(/WRONGTYPE/);
      const locked = url().replace("//", "//somebody:secret@");
      const refused = yield* caught(redisWorkQueue({ url: locked, stream: newStream() }).openSender());
      expect(refused).toBeInstanceOf(BrokerError);
      expect((refused as BrokerError).cause).toBeInstanceOf(Error);
      expect((refused as BrokerError).message).not.toContain("secret");
    },
  );
});
