/** Byte streams in memory: the two-way stream suite of trio, hooks, lockstep, cancellation, random pieces. */
import {
  BrokenResourceError,
  BusyResourceError,
  type ByteStream,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  moveOnAfter,
  now,
  run,
  sleep,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { kernel, VirtualClock } from "@anyloop/kernel";
import {
  cancelEverywhere,
  explore,
  lockstepByteStreamPair,
  memoryByteStreamPair,
  MemoryNetwork,
  type Victim,
  waitAllTasksBlocked,
} from "@anyloop/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { caught, each } from "./each.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

function* received(stream: ByteStream): Coroutine<Uint8Array> {
  const pieces: number[] = [];
  try {
    for (;;) pieces.push(...(yield* stream.receive(7)));
  } catch (error) {
    if (!(error instanceof EndOfStream)) throw error;
  }
  return Uint8Array.from(pieces);
}

/** Two ends of a connection over a network with a delay, as a pair. */
function* connected(): Coroutine<[ByteStream, ByteStream]> {
  const network = new MemoryNetwork({ delay: 3 });
  const server = network.host("server");
  const listener = yield* server.listen(80);
  const near = yield* network.host("client").connect("server", 80);
  return [near, yield* listener.accept()];
}

type MakePair = () => Coroutine<[ByteStream, ByteStream]>;

const kinds: readonly [string, MakePair][] = [
  [
    "memoryByteStreamPair",
    function* () {
      return memoryByteStreamPair();
    },
  ],
  [
    "lockstepByteStreamPair",
    function* () {
      return lockstepByteStreamPair();
    },
  ],
  ["MemoryNetwork", connected],
];

for (const [kind, makePair] of kinds) {
  const onEach = (name: string, body: () => Coroutine<void>): void =>
    each(`${kind}: ${name}`, body, { seeds: 5 });

  onEach("bytes come through both ways, and ends are told", function* () {
    const [left, right] = yield* makePair();
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        yield* left.send(bytes("hello"));
        yield* left.send(bytes(" world"));
        yield* left.sendEof();
        yield* left.sendEof();
        expect(text(yield* received(left))).toBe("yes?");
      });
      expect(text(yield* received(right))).toBe("hello world");
      // Half closed: the other direction is open.
      yield* right.send(bytes("yes?"));
      yield* right.close();
    });
    expect(yield* caught(left.send(bytes("more")))).toBeInstanceOf(ClosedResourceError);
    expect(yield* caught(left.receive())).toBeInstanceOf(EndOfStream);
  });

  onEach("what cannot be is refused, and loses nothing", function* () {
    const [left, right] = yield* makePair();
    yield* left.send(new Uint8Array(0));
    for (const maxBytes of [0, -1, 1.5, Number.NaN, Infinity])
      expect(() => right.receive(maxBytes)).toThrow(UsageError);
    expect(() => left.send("text" as never)).toThrow(UsageError);
    yield* taskGroup(function* (group) {
      group.startSoon(left.send(bytes("kept")));
      expect(text(yield* right.receive())).toBe("kept");
    });
  });

  onEach("two tasks in one direction are told so", function* () {
    const [left, right] = yield* makePair();
    yield* taskGroup(function* (group) {
      const reading = group.startSoon(right.receive());
      yield* waitAllTasksBlocked();
      expect(yield* caught(right.receive())).toBeInstanceOf(BusyResourceError);
      reading.cancel();
      yield* reading.wait();
      // Nothing was taken by the one that was cancelled.
      group.startSoon(left.send(bytes("x")));
      expect(text(yield* right.receive())).toBe("x");
    });
  });

  onEach("after one's own close everything is closed, and closing again does nothing", function* () {
    const [left] = yield* makePair();
    yield* left.close();
    yield* left.close();
    expect(yield* caught(left.send(bytes("x")))).toBeInstanceOf(ClosedResourceError);
    expect(yield* caught(left.receive())).toBeInstanceOf(ClosedResourceError);
  });

  onEach("after the other side's close sending is broken, and stays so", function* () {
    const [left, right] = yield* makePair();
    yield* right.close();
    yield* sleep(5);
    for (let time = 0; time < 2; time++)
      expect(yield* caught(left.send(bytes("x")))).toBeInstanceOf(BrokenResourceError);
    expect(yield* caught(left.receive())).toBeInstanceOf(EndOfStream);
  });

  onEach("close wakes one's own blocked calls, cancelled or not", function* () {
    const [left] = yield* makePair();
    yield* taskGroup(function* (group) {
      const outcome = group.startSoon(() => caught(left.receive()));
      yield* waitAllTasksBlocked();
      const scope = new CancelScope();
      scope.cancel();
      yield* scope.run(left.close());
      expect(yield* outcome.join()).toBeInstanceOf(ClosedResourceError);
    });
  });

  onEach("what has arrived before the end can be read after it", function* () {
    const [left, right] = yield* makePair();
    if (kind === "lockstepByteStreamPair") return;
    yield* left.send(bytes("last words"));
    yield* left.close();
    expect(text(yield* received(right))).toBe("last words");
  });

  onEach("the sender may use its buffer again", function* () {
    const [left, right] = yield* makePair();
    yield* taskGroup(function* (group) {
      const buffer = bytes("first");
      group.startSoon(function* () {
        yield* left.send(buffer);
        buffer.fill(0);
        yield* left.sendEof();
      });
      yield* sleep(1);
      buffer.fill(1);
      expect(text(yield* received(right))).toBe("first");
    });
  });

  test(`${kind}: a mebibyte in random pieces both ways`, { timeout: 20_000 }, async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 20, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(sizes, sizes, async (there, back) => {
        function* send(stream: ByteStream, plan: readonly number[]): Coroutine<void> {
          let next = 0;
          for (const size of plan) yield* stream.send(Uint8Array.from({ length: size }, () => next++ & 255));
          yield* stream.sendEof();
        }
        function* check(stream: ByteStream, plan: readonly number[]): Coroutine<void> {
          let next = 0;
          for (let turn = 0; ; turn++) {
            let data: Uint8Array;
            try {
              data = yield* stream.receive(plan[turn % plan.length]);
            } catch (error) {
              if (!(error instanceof EndOfStream)) throw error;
              break;
            }
            for (const byte of data)
              if (byte !== (next++ & 255)) throw new Error(`byte ${String(next)} is wrong`);
          }
          expect(next).toBe(plan === back ? sum(there) : sum(back));
        }
        await run(
          function* () {
            const [left, right] = yield* makePair();
            yield* taskGroup((group) => {
              group.startSoon(() => send(left, there));
              group.startSoon(() => send(right, back));
              group.startSoon(() => check(right, back));
              group.startSoon(() => check(left, there));
            });
          },
          { backend: kernel({ clock: new VirtualClock(), seed: there.length }) },
        );
      }),
      { numRuns: 5 },
    );
  });

  test(`${kind}: survives every schedule, and cancellation anywhere`, async () => {
    function* readInTwoParts(victim: Victim): Coroutine<void> {
      const [left, right] = yield* makePair();
      let taken = "";
      yield* taskGroup(function* (group) {
        group.startSoon(function* sender() {
          for (const piece of ["ab", "cd"]) yield* left.send(bytes(piece));
          yield* left.sendEof();
        });
        yield* victim(function* reader() {
          while (taken.length < 4) taken += text(yield* right.receive(1));
        });
        // What a cancelled receive has not given to anybody, the next one gives.
        taken += text(yield* received(right));
      });
      expect(taken).toBe("abcd");
    }
    await explore(readInTwoParts, { runs: 300 });
    await explore(readInTwoParts, { runs: 300, strategy: "priorities" });
    await cancelEverywhere(readInTwoParts);
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

each("lockstep: send waits until the other side has received everything [trio lockstep]", function* () {
  const [left, right] = lockstepByteStreamPair();
  let sent = false;
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      yield* left.send(bytes("12345"));
      sent = true;
    });
    expect(text(yield* right.receive(4))).toBe("1234");
    yield* waitAllTasksBlocked();
    expect(sent).toBe(false);
    expect(text(yield* right.receive(4))).toBe("5");
    yield* waitAllTasksBlocked();
    expect(sent).toBe(true);
  });
});

each("lockstep: a cancelled send takes back what was not received", function* () {
  const [left, right] = lockstepByteStreamPair();
  yield* taskGroup(function* (group) {
    const sending = group.startSoon(left.send(bytes("lost")));
    yield* waitAllTasksBlocked();
    sending.cancel();
    yield* sending.wait();
    group.startSoon(left.send(bytes("kept")));
    expect(text(yield* right.receive())).toBe("kept");
  });
});

each("lockstep: closing wakes the sender on either side", function* () {
  for (const who of ["left", "right"] as const) {
    const [left, right] = lockstepByteStreamPair();
    yield* taskGroup(function* (group) {
      const outcome = group.startSoon(() => caught(left.send(bytes("x"))));
      yield* waitAllTasksBlocked();
      yield* (who === "left" ? left : right).close();
      expect(yield* outcome.join()).toBeInstanceOf(
        who === "left" ? ClosedResourceError : BrokenResourceError,
      );
    });
  }
});

each(
  "a send over a network waits while much is on its way, and cancelled there it has sent nothing",
  function* () {
    const [left, right] = yield* connected();
    yield* left.send(new Uint8Array(65_536));
    expect(yield* moveOnAfter(1, left.send(bytes("x")))).toBeUndefined();
    let size = 0;
    yield* left.sendEof();
    size += (yield* received(right)).length;
    expect(size).toBe(65_536);
  },
  { seeds: 3 },
);

each(
  "hooks come in between: they delay, refuse and count",
  function* () {
    const seen: string[] = [];
    const [left, right] = memoryByteStreamPair(
      {
        *onSend(data) {
          seen.push(`send ${String(data.length)}`);
          yield* sleep(1);
          if (data.length > 3) throw new BrokenResourceError("too much");
        },
        onSendEof: () => void seen.push("eof"),
        onClose: () => void seen.push("close"),
      },
      { onReceive: (maxBytes) => void seen.push(`receive ${String(maxBytes)}`) },
    );
    yield* left.send(bytes("abc"));
    expect(text(yield* right.receive(10))).toBe("abc");
    // Refused by the hook, nothing was sent.
    expect(yield* caught(left.send(bytes("abcd")))).toHaveProperty("message", "too much");
    yield* left.sendEof();
    expect(yield* caught(right.receive(9))).toBeInstanceOf(EndOfStream);
    yield* left.close();
    yield* left.close();
    expect(seen).toEqual(["send 3", "receive 10", "send 4", "eof", "receive 9", "close"]);
  },
  { seeds: 3 },
);

each(
  "a hook that waits keeps the direction busy, and closing does not wait for the hook to allow it",
  function* () {
    const [left, right] = memoryByteStreamPair({
      onSend: () => sleep(60_000),
      onClose() {
        throw new Error("closing went wrong");
      },
    });
    yield* taskGroup(function* (group) {
      const sending = group.startSoon(left.send(bytes("x")));
      yield* waitAllTasksBlocked();
      expect(yield* caught(left.send(bytes("y")))).toBeInstanceOf(BusyResourceError);
      sending.cancel();
      yield* sending.wait();
      expect(yield* caught(left.close())).toHaveProperty("message", "closing went wrong");
      expect(yield* caught(right.receive())).toBeInstanceOf(EndOfStream);
    });
  },
);

test("a pair needs no clock: it may be used from outside any run and from two runs", async () => {
  const [left, right] = memoryByteStreamPair();
  const options = { backend: kernel() };
  const reading = run(right.receive(), options);
  await run(left.send(bytes("across")), options);
  expect(text(await reading)).toBe("across");
  expect(now()).toBeGreaterThan(0);
  await run(checkpoint(), options);
});
