/** What every byte stream must do, in every kind there is: trio's check_two_way_stream and check_half_closeable_stream. */
import {
  all,
  BrokenResourceError,
  BufferedByteStream,
  BusyResourceError,
  type ByteStream,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  moveOnAfter,
  type Operation,
  operation,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { describe, expect } from "vitest";
import { caught, each, type Gaps } from "../../../tools/test-support/each-real.ts";
import { type Pair, tcpPair, tlsInMemoryPair, tlsInTlsPair, tlsPair, unixPair } from "./pairs.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

const readAll = operation(function* readAll(stream: ByteStream): Coroutine<Uint8Array> {
  const chunks: Uint8Array[] = [];
  try {
    for (;;) chunks.push((yield* stream.receive()).slice());
  } catch (error) {
    if (!(error instanceof EndOfStream)) throw error;
    return Buffer.concat(chunks);
  }
});

/** Numbers that tell when something is lost, doubled or out of order. */
function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8) * 7 + seed) & 255);
}

const sendInPieces = operation(function* sendInPieces(stream: ByteStream, data: Uint8Array): Coroutine<void> {
  for (let at = 0; at < data.length;) {
    const size = Math.ceil(Math.random() ** 4 * 200_000);
    yield* stream.send(data.subarray(at, at + size));
    at += size;
  }
});

/** Sends until the stream takes no more; gives what it took. */
const fill = operation(function* fill(stream: ByteStream): Coroutine<Uint8Array> {
  const taken: Uint8Array[] = [];
  const scope = new CancelScope();
  yield* taskGroup(function* (group) {
    const sending = group.startSoon(
      scope.run(function* () {
        for (let count = 0; ; count++) {
          const piece = pattern(30_000, count);
          yield* stream.send(piece);
          taken.push(piece);
        }
      }),
    );
    // What the system buffers grows for a while.
    for (let before = -1; before !== taken.length;) {
      before = taken.length;
      yield* moveOnAfter(30, sending.wait());
    }
    scope.cancel();
  });
  return Buffer.concat(taken);
});

const kinds: readonly (readonly [name: string, open: () => Operation<Pair>])[] = [
  ["TCP", tcpPair],
  ["Unix", unixPair],
  ["TLS over TCP", tlsPair],
  ["TLS in memory", tlsInMemoryPair],
  ["TLS in TLS", tlsInTlsPair],
];

for (const [kind, open] of kinds) {
  describe(kind, () => {
    const isTls = kind.startsWith("TLS");
    const on = (
      name: string,
      body: (near: ByteStream, far: ByteStream) => Coroutine<void>,
      gaps?: Gaps,
    ): void => {
      const onPair = function* (): Coroutine<void> {
        const [near, far] = yield* open();
        try {
          yield* body(near, far);
        } finally {
          yield* near.close();
          yield* far.close();
        }
      };
      each(name, onPair, gaps);
    };

    on("bytes go both ways, at most maxBytes at once; sending nothing is fine", function* (near, far) {
      yield* near.send(bytes(""));
      yield* near.send(bytes("hello"));
      expect(text(yield* far.receive(2))).toBe("he");
      expect(text(yield* far.receive(10))).toBe("llo");
      yield* far.send(bytes("back"));
      expect(text(yield* near.receive())).toBe("back");
    });

    on("a maxBytes that cannot be is refused", function* (near) {
      for (const maxBytes of [0, -1, 1.5, Number.NaN]) {
        expect(() => near.receive(maxBytes)).toThrow(UsageError);
      }
    });

    on("two receives at once are busy, and the first goes on", function* (near, far) {
      yield* taskGroup(function* (group) {
        const first = group.startSoon(near.receive());
        yield* waitAllTasksBlocked();
        expect(yield* caught(near.receive())).toBeInstanceOf(BusyResourceError);
        yield* far.send(bytes("x"));
        expect(text(yield* first.join())).toBe("x");
      });
    });

    on(
      "what was sent before a graceful close can still be read, then comes the end, again and again",
      function* (near, far) {
        yield* near.send(bytes("last words"));
        yield* near.close();
        expect(text(yield* far.receive(4))).toBe("last");
        expect(text(yield* far.receive())).toBe(" words");
        for (let count = 0; count < 3; count++) {
          expect(yield* caught(far.receive())).toBeInstanceOf(EndOfStream);
        }
      },
      { deno: "it resets connections that are closed soon after a write" },
    );

    on("sending to a peer that has closed breaks, and stays broken", function* (near, far) {
      yield* far.close();
      const send = operation(function* (): Coroutine<void> {
        for (;;) {
          yield* near.send(bytes("anybody there?"));
          yield* waitAllTasksBlocked();
        }
      });
      const error = yield* caught(send());
      expect(error).toBeInstanceOf(BrokenResourceError);
      expect(yield* caught(near.send(bytes("x")))).toBeInstanceOf(BrokenResourceError);
    });

    on("after its own close everything is Closed; closing twice is fine", function* (near) {
      yield* near.close();
      yield* near.close();
      expect(yield* caught(near.receive())).toBeInstanceOf(ClosedResourceError);
      expect(yield* caught(near.send(bytes("x")))).toBeInstanceOf(ClosedResourceError);
      expect(yield* caught(near.sendEof())).toBeInstanceOf(ClosedResourceError);
    });

    on(
      "half close: the peer sees the end and can still answer",
      function* (near, far) {
        yield* near.send(bytes("question"));
        yield* near.sendEof();
        expect(text(yield* readAll(far))).toBe("question");
        yield* far.send(bytes("answer"));
        yield* far.sendEof();
        expect(text(yield* readAll(near))).toBe("answer");
        expect(yield* caught(near.send(bytes("more")))).toBeInstanceOf(ClosedResourceError);
      },
      {
        bun: isTls && "its TLS ends both directions at once",
        deno: isTls && "its TLS loses the end now and then",
      },
    );

    on("a cancelled close still closes", function* (near, far) {
      const scope = new CancelScope();
      scope.cancel();
      yield* scope.run(near.close());
      expect(scope.cancelledCaught).toBe(true);
      expect(yield* caught(near.receive())).toBeInstanceOf(ClosedResourceError);
      const end = yield* caught(far.receive());
      expect(end instanceof EndOfStream || end instanceof BrokenResourceError).toBe(true);
    });

    on("closing wakes a task that receives and a task that sends", function* (near) {
      yield* taskGroup(function* (group) {
        const receiving = group.startSoon(() => caught(near.receive()));
        const sending = group.startSoon(() =>
          caught(
            operation(function* (): Coroutine<void> {
              for (;;) yield* near.send(pattern(50_000, 1));
            })(),
          ),
        );
        yield* waitAllTasksBlocked();
        // Nobody reads on the other side: a graceful close would wait for it.
        yield* moveOnAfter(20, near.close());
        expect(yield* receiving.join()).toBeInstanceOf(ClosedResourceError);
        expect(yield* sending.join()).toBeInstanceOf(ClosedResourceError);
      });
    });

    on("a cancelled receive takes nothing and leaves nothing behind", function* (near, far) {
      for (let count = 0; count < 3; count++) {
        const scope = new CancelScope();
        yield* taskGroup(function* (group) {
          group.startSoon(scope.run(near.receive()));
          yield* waitAllTasksBlocked();
          scope.cancel();
        });
        expect(scope.cancelledCaught).toBe(true);
      }
      yield* far.send(bytes("kept"));
      expect(text(yield* near.receive())).toBe("kept");
    });

    on("in a cancelled scope nothing is received and nothing sent", function* (near, far) {
      yield* far.send(bytes("for later"));
      yield* waitAllTasksBlocked();
      for (const work of [near.receive(), near.send(bytes("never"))] as Operation<unknown>[]) {
        const scope = new CancelScope();
        scope.cancel();
        yield* scope.run(work);
        expect(scope.cancelledCaught).toBe(true);
      }
      expect(text(yield* near.receive())).toBe("for later");
      yield* near.send(bytes("now"));
      expect(text(yield* far.receive())).toBe("now");
    });

    on("send waits when much is under way; what it took arrives, and nothing else", function* (near, far) {
      const taken = yield* fill(near);
      expect(taken.length).toBeGreaterThan(0);
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* near.send(bytes("end"));
          yield* near.sendEof();
        });
        const received = yield* readAll(far);
        expect(Buffer.compare(received.subarray(0, taken.length), taken)).toBe(0);
        expect(text(received.subarray(taken.length))).toBe("end");
      });
    });

    on("a mebibyte in random pieces, both ways at once", function* (near, far) {
      const [there, back] = [pattern(1 << 20, 1), pattern(1 << 20, 2)];
      const [, , atFar, atNear] = yield* all([
        sendInPieces(near, there),
        sendInPieces(far, back),
        new BufferedByteStream(far).receiveExactly(there.length),
        new BufferedByteStream(near).receiveExactly(back.length),
      ]);
      expect(Buffer.compare(atFar, there)).toBe(0);
      expect(Buffer.compare(atNear, back)).toBe(0);
    });
  });
}
