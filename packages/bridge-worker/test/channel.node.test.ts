/** Authenticated channels over real sockets. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serialize } from "node:v8";
import {
  acceptChannel,
  AuthenticationError,
  type Channel,
  type ChannelKey,
  connectChannel,
} from "@anyloop/bridge-worker/channel";
import { connectTcp, connectUnix, listenTcp, listenUnix, unix } from "@anyloop/io";
import { objectStreamConformance, registerCases } from "@anyloop/testing";
import {
  all,
  BrokenResourceError,
  type ByteStream,
  type Coroutine,
  EndOfStream,
  fromPromise,
  moveOnAfter,
  type Operation,
  operation,
  taskGroup,
  UsageError,
} from "anyloop";
import { describe, expect, test } from "vitest";
import { caught, each } from "./each.ts";

type Pair = readonly [near: ByteStream, far: ByteStream];

const tcpPair: () => Operation<Pair> = operation(function* tcpPair(): Coroutine<Pair> {
  const listener = yield* listenTcp(0, { host: "127.0.0.1" });
  const pair = yield* all([connectTcp("127.0.0.1", listener.addresses[0]?.port ?? 0), listener.accept()]);
  yield* listener.close();
  return pair;
});

const unixPair: () => Operation<Pair> = operation(function* unixPair(): Coroutine<Pair> {
  const directory = yield* fromPromise(mkdtemp(join(tmpdir(), "anyloop-")));
  const path = join(directory, "socket");
  const listener = yield* listenUnix(path);
  const pair = yield* all([connectUnix(path), listener.accept()]);
  yield* listener.close();
  yield* fromPromise(rm(directory, { recursive: true }));
  return pair;
});

type Ends<T> = readonly [near: Channel<T, T>, far: Channel<T, T>];

function* channels<T>([near, far]: Pair, keys: readonly ChannelKey[] = ["key", "key"]): Coroutine<Ends<T>> {
  const [nearKey = "", farKey = ""] = keys;
  const connecting = connectChannel<T>({ connect: () => already(near) }, { key: nearKey });
  return yield* all([connecting, acceptChannel<T>(far, { key: farKey })]);
}

const already = operation(function* already(stream: ByteStream): Coroutine<ByteStream> {
  yield* [];
  return stream;
});

const pairs = { TCP: tcpPair, "a Unix socket": unixPair };

for (const [kind, makePair] of Object.entries(pairs)) {
  describe(`a channel over ${kind}`, () => {
    registerCases(
      test,
      objectStreamConformance(
        function* () {
          return yield* channels<number>(yield* makePair());
        },
        { backends: ["native", "kernel"], bounded: false },
      ),
    );

    each("objects cross whole, in both directions, and each end can be ended alone", function* () {
      const [near, far] = yield* channels<unknown>(yield* makePair());
      const item = {
        map: new Map([[1, new Date(0)]]),
        big: 2n,
        nothing: undefined,
        bytes: new Uint8Array(100_000),
      };
      yield* all([near.send(item), near.send([]), near.sendEof()]);
      expect(yield* far.receive()).toEqual(item);
      expect(yield* far.receive()).toEqual([]);
      expect(yield* caught(far.receive())).toBeInstanceOf(EndOfStream);
      yield* far.send("still");
      expect(yield* near.receive()).toBe("still");
      yield* near.close();
      yield* far.close();
    });

    each("another key is a clear error at both ends", function* () {
      const pair = yield* makePair();
      const errors: unknown[] = [];
      yield* taskGroup(function* (group) {
        const connecting = connectChannel({ connect: () => already(pair[0]) }, { key: "ours" });
        group.startSoon(function* () {
          errors.push(yield* caught(connecting));
        });
        errors.push(yield* caught(acceptChannel(pair[1], { key: "theirs" })));
      });
      expect(errors.length).toBe(2);
      for (const error of errors) {
        expect(error).toBeInstanceOf(AuthenticationError);
        expect(String(error)).toMatch(/has another key/);
      }
    });

    for (const [what, bytes] of [
      ["speaks something else", "GET / HTTP/1.1\r\n\r\n"],
      ["leaves", ""],
      ["answers with what it was sent", undefined],
    ] as const) {
      each(`somebody who ${what} is refused`, function* () {
        const [near, far] = yield* makePair();
        yield* taskGroup(function* (group) {
          group.startSoon(
            function* () {
              if (bytes === undefined) {
                for (;;) yield* near.send(yield* near.receive());
              }
              yield* near.send(Buffer.from(bytes));
              yield* near.sendEof();
            },
            { daemon: true },
          );
          // Whoever only repeats has to be told by the end that speaks first.
          const greeted =
            bytes === undefined
              ? connectChannel({ connect: () => already(far) }, { key: "key" })
              : acceptChannel(far, { key: "key" });
          expect(yield* caught(greeted)).toBeInstanceOf(AuthenticationError);
        });
        yield* near.close();
      });
    }
  });
}

each("a receive that is cancelled in the middle of a message loses nothing", function* () {
  const [near, far] = yield* tcpPair();
  const [channel] = yield* channels<string>([near, far]);
  // The bytes of one message, as another end would send them, in pieces.
  const content = serialize("whole");
  const message = Buffer.concat([Buffer.from([0, 0, 0, content.length]), content]);
  let got: unknown;
  for (const byte of message) {
    yield* far.send(Buffer.of(byte));
    yield* moveOnAfter(2, function* () {
      got = yield* channel.receive();
    });
  }
  expect(got).toBe("whole");
  yield* far.send(Buffer.from([0, 0]));
  yield* far.close();
  expect(yield* caught(channel.receive())).toBeInstanceOf(BrokenResourceError);
  yield* channel.close();
});

each("what cannot be copied is refused, and nothing is lost", function* () {
  const [near, far] = yield* channels<unknown>(yield* tcpPair());
  expect(() => near.send(() => {})).toThrow(UsageError);
  expect(() => near.send(Promise.resolve())).toThrow(UsageError);
  yield* near.send(1);
  expect(yield* far.receive()).toBe(1);
  yield* near.close();
  yield* far.close();
});

each("an empty key is refused, and whoever does not listen is told as by connecting", function* () {
  const [near, far] = yield* tcpPair();
  expect(yield* caught(acceptChannel(far, { key: "" }))).toBeInstanceOf(UsageError);
  yield* near.close();
  expect(String(yield* caught(connectChannel(unix("/nobody/listens"), { key: "key" })))).toMatch(
    /ConnectError/,
  );
});
