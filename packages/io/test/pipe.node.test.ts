/** The pipes of processes: byte streams that keep the rules of all others. */
import { Writable } from "node:stream";
import {
  all,
  BrokenResourceError,
  BusyResourceError,
  type ByteSendStream,
  type ByteStream,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  operation,
  stapled,
  taskGroup,
  use,
  UsageError,
} from "@anyloop/core";
import { PipeSendStream, openProcess } from "@anyloop/io";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each, eachUnless, isBun } from "./each.ts";
import { decode, encode, readAll, shell } from "./processes.ts";

// The pipes as byte streams.

/** Two processes that pass on what they are given, as the two directions of one stream. */
function* withPipes(body: (near: ByteStream, far: ByteStream) => Coroutine<void>): Coroutine<void> {
  yield* use(openProcess(["cat"]), (there) =>
    use(openProcess(["cat"]), function* (back) {
      yield* body(stapled(there.stdin, back.stdout), stapled(back.stdin, there.stdout));
    }),
  );
}

each("a pipe is a byte stream: empty sends, small receives, the end of the stream", function* () {
  yield* withPipes(function* (near, far) {
    yield* near.send(new Uint8Array(0));
    yield* near.send(encode("hello"));
    expect(decode(yield* far.receive(2))).toBe("he");
    expect(decode(yield* far.receive(2))).toBe("ll");
    expect(decode(yield* far.receive())).toBe("o");
    yield* near.send(encode("last"));
    yield* near.sendEof();
    expect(yield* caught(near.send(encode("x")))).toBeInstanceOf(ClosedResourceError);
    expect(decode(yield* readAll(far))).toBe("last");
    expect(yield* caught(far.receive())).toBeInstanceOf(EndOfStream);
    expect(yield* caught(far.receive())).toBeInstanceOf(EndOfStream);
    // The other direction is still open.
    yield* far.send(encode("answer"));
    expect(decode(yield* near.receive())).toBe("answer");
  });
});

each("a pipe refuses a bad maxBytes", function* () {
  yield* withPipes(function* (near) {
    for (const maxBytes of [0, -1, 1.5, Number.NaN]) expect(() => near.receive(maxBytes)).toThrow(UsageError);
  });
});

each("two receives at once are Busy, and a close wakes the one that waits", function* () {
  yield* withPipes(function* (near) {
    yield* taskGroup(function* (group) {
      const waiting = group.startSoon(caught(near.receive()));
      yield* waitAllTasksBlocked();
      expect(yield* caught(near.receive())).toBeInstanceOf(BusyResourceError);
      yield* near.close();
      expect(yield* waiting.join()).toBeInstanceOf(ClosedResourceError);
      expect(yield* caught(near.receive())).toBeInstanceOf(ClosedResourceError);
      expect(yield* caught(near.send(encode("x")))).toBeInstanceOf(ClosedResourceError);
      yield* near.close();
    });
  });
});

each("a cancelled receive loses nothing; one that arrives cancelled takes nothing", function* () {
  yield* withPipes(function* (near, far) {
    yield* taskGroup(function* (group) {
      const reader = group.startSoon(far.receive());
      yield* waitAllTasksBlocked();
      reader.cancel();
      yield* reader.wait();
    });
    yield* near.send(encode("kept"));
    const scope = new CancelScope();
    scope.cancel();
    yield* scope.run(far.receive());
    expect(decode(yield* far.receive())).toBe("kept");
  });
});

each("a send waits while much is on its way; cancelled, it has sent nothing", function* () {
  yield* use(openProcess(shell("read line; cat >/dev/null; exit 5")), function* (child) {
    const megabyte = new Uint8Array(1 << 20);
    yield* child.stdin.send(encode("no newline yet"));
    yield* child.stdin.send(megabyte);
    const scope = new CancelScope();
    yield* taskGroup(function* (group) {
      group.startSoon(scope.run(child.stdin.send(megabyte)));
      yield* waitAllTasksBlocked();
      expect(scope.cancelledCaught).toBe(false);
      scope.cancel();
    });
    expect(scope.cancelledCaught).toBe(true);
    child.kill();
  });
});

eachUnless(
  isBun,
  "Bun reports no error for it",
  "the other side's end is Broken, and stays broken",
  function* () {
    yield* use(
      openProcess(shell("exec 0<&-; echo closed; cat <&3 3</dev/null; sleep 60")),
      function* (child) {
        yield* child.stdout.receive();
        const error = (yield* caught(sendForEver(child.stdin))) as BrokenResourceError;
        expect(error).toBeInstanceOf(BrokenResourceError);
        expect(error.cause).toBeInstanceOf(Error);
        expect(yield* caught(child.stdin.send(encode("again")))).toBeInstanceOf(BrokenResourceError);
        child.kill();
      },
    );
  },
);

const sendForEver = operation(function* sendForEver(stream: ByteSendStream): Coroutine<never> {
  for (;;) {
    yield* stream.send(encode("x"));
    yield* waitAllTasksBlocked();
  }
});

each("a cancelled close still closes, and drops what could not be sent", function* () {
  yield* use(openProcess(["sleep", "60"]), function* (child) {
    yield* child.stdin.send(new Uint8Array(1 << 20));
    const scope = new CancelScope();
    yield* taskGroup(function* (group) {
      const closing = group.startSoon(scope.run(child.stdin.close()));
      yield* waitAllTasksBlocked();
      scope.cancel();
      yield* closing.wait();
    });
    expect(scope.cancelledCaught).toBe(true);
    expect(yield* caught(child.stdin.send(encode("x")))).toBeInstanceOf(ClosedResourceError);
    child.kill();
  });
});

each("a megabyte goes both ways in pieces of any size", function* () {
  const data = new Uint8Array(1 << 20).map((_, index) => (index * 31) % 256);
  const sendAll = operation(function* (stream: ByteStream) {
    for (let at = 0, size = 1; at < data.length; at += size, size = 1 + ((size * 7919) % 40_000))
      yield* stream.send(data.subarray(at, at + size));
    yield* stream.sendEof();
  });
  yield* withPipes(function* (near, far) {
    const [, , there, back] = yield* all([sendAll(near), sendAll(far), readAll(far), readAll(near)]);
    expect(Buffer.from(there).equals(data)).toBe(true);
    expect(Buffer.from(back).equals(data)).toBe(true);
  });
});

each("a buffer may be used again once send has come back", function* () {
  const done = yield* use(openProcess(["cat"]), function* (cat) {
    const buffer = new Uint8Array(300_000).fill(1);
    yield* cat.stdin.send(buffer);
    buffer.fill(2);
    const [bytes] = yield* all([readAll(cat.stdout), cat.stdin.close()]);
    return bytes;
  });
  expect(done.every((byte) => byte === 1)).toBe(true);
});

each("closing throws if the process has ended without taking what was sent, once", function* () {
  yield* use(openProcess(["sleep", "60"]), function* (child) {
    // More than the system keeps for it.
    yield* child.stdin.send(new Uint8Array(1 << 20));
    yield* taskGroup(function* (group) {
      const closing = group.startSoon(() => caught(child.stdin.close()));
      yield* waitAllTasksBlocked();
      child.kill();
      expect(yield* closing.join()).toBeInstanceOf(BrokenResourceError);
    });
    yield* child.stdin.close();
  });
});

each("over a stream that fails, a send that waits throws, and nothing is taken for sent", function* () {
  const failure = new Error("mine");
  const fail: { now?: (error: Error) => void } = {};
  const raw = new Writable({
    write(_chunk, _encoding, callback) {
      fail.now = callback;
    },
  });
  const stream = new PipeSendStream(raw);
  yield* stream.send(new Uint8Array(1 << 20));
  yield* taskGroup(function* (group) {
    const sending = group.startSoon(() => caught(stream.send(encode("x"))));
    yield* waitAllTasksBlocked();
    fail.now?.(failure);
    expect(yield* sending.join()).toMatchObject({ name: "BrokenResourceError", cause: failure });
  });
  yield* stream.close();
});

each("over a stream that is destroyed without a word, close says that something was lost", function* () {
  const raw = new Writable({ write: () => {} });
  const stream = new PipeSendStream(raw);
  yield* stream.send(encode("x"));
  yield* taskGroup(function* (group) {
    const closing = group.startSoon(() => caught(stream.close()));
    yield* waitAllTasksBlocked();
    raw.destroy();
    expect(yield* closing.join()).toBeInstanceOf(BrokenResourceError);
  });
});
