/** What is JetStream's own: streams that are there already, deleted ones, names, and a server without it. */
import { BrokerError, MalformedMessageError } from "@anyloop/bridge-broker";
import { openLocalServer } from "@anyloop/bridge-broker/server";
import { natsWorkQueue } from "@anyloop/bridge-nats";
import { natsServer } from "@anyloop/bridge-nats/server";
import { type Coroutine, fromPromise, type Operation, operation, UsageError, use } from "@anyloop/core";
import { everyBackend } from "@anyloop/testing";
import { jetstream, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { describe, expect, test } from "vitest";
import { newStream, skipped, url, useServer } from "./server.ts";

useServer();

function each(name: string, body: (plain: NatsConnection, stream: string) => Coroutine<void>): void {
  const connected = operation(function* connected(): Coroutine<void> {
    yield* use(fromPromise(connect({ servers: url() })), (plain) => body(plain, newStream()));
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

describe.skipIf(skipped !== undefined)(`JetStream${skipped === undefined ? "" : ` [${skipped}]`}`, () => {
  each(
    "a stream that is there is used as it is: here every group gets every message",
    function* (plain, stream) {
      const manager = yield* fromPromise(jetstreamManager(plain));
      const config = { name: stream, subjects: [stream], retention: RetentionPolicy.Interest };
      yield* fromPromise(manager.streams.add(config));
      const [first, second] = ["first", "second"].map((group) =>
        natsWorkQueue<number>({ servers: url(), stream, group }),
      ) as [ReturnType<typeof natsWorkQueue<number>>, ReturnType<typeof natsWorkQueue<number>>];
      yield* use(first.openReceiver(), (one) =>
        use(second.openReceiver(), function* (two) {
          yield* use(first.openSender(), (sender) => sender.send(1));
          for (const receiver of [one, two]) {
            const delivery = yield* receiver.receive();
            expect(delivery.value).toBe(1);
            yield* delivery.ack();
          }
        }),
      );
      const { config: kept, state } = yield* fromPromise(manager.streams.info(stream));
      expect(kept.retention).toBe(RetentionPolicy.Interest);
      expect(state.messages).toBe(0);
    },
  );

  each("a stream that is deleted while somebody receives is made anew", function* (plain, stream) {
    const queue = natsWorkQueue<number>({ servers: url(), stream });
    const manager = yield* fromPromise(jetstreamManager(plain));
    yield* use(queue.openReceiver(), function* (receiver) {
      yield* fromPromise(manager.streams.delete(stream));
      yield* use(queue.openSender(), (sender) => sender.send(1));
      expect((yield* receiver.receive()).value).toBe(1);
    });
  });

  each("what is no JSON is thrown with its text, and stays", function* (plain, stream) {
    const queue = natsWorkQueue<number>({ servers: url(), stream });
    yield* use(queue.openReceiver(), function* (receiver) {
      yield* fromPromise(jetstream(plain).publish(stream, "{broken"));
      const error = yield* caught(receiver.receive());
      expect(error).toBeInstanceOf(MalformedMessageError);
      expect((error as MalformedMessageError).raw).toBe("{broken");
    });
    const manager = yield* fromPromise(jetstreamManager(plain));
    expect((yield* fromPromise(manager.streams.info(stream))).state.messages).toBe(1);
  });

  each("names that cannot be are refused, and what cannot be stored", function* (_, stream) {
    for (const name of ["", "a b", "a.b", "a*", "a>"]) {
      expect(() => natsWorkQueue({ servers: url(), stream: name })).toThrow(UsageError);
      expect(() => natsWorkQueue({ servers: url(), stream, group: name })).toThrow(UsageError);
    }
    yield* use(natsWorkQueue<unknown>({ servers: url(), stream }).openSender(), function* (sender) {
      expect(() => sender.send(undefined)).toThrow(UsageError);
    });
  });

  each("a server without JetStream is told so, with what to do", function* (_, stream) {
    const plainServer = {
      ...natsServer,
      arguments: (port: number) => ["--addr", "127.0.0.1", "--port", String(port)],
    };
    yield* use(openLocalServer(plainServer), function* ({ port }) {
      const servers = `nats://127.0.0.1:${String(port)}`;
      const error = yield* caught(natsWorkQueue({ servers, stream }).openReceiver());
      expect(error).toBeInstanceOf(BrokerError);
      expect(String(error)).toContain("Start it with --jetstream.");
    });
  });
});
