/** What goes out, when, in how many writes, and what becomes of it. */
import {
  BrokenResourceError,
  BusyResourceError,
  CancelScope,
  EndOfStream,
  type Operation,
  sleep,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { type SocketStream, type TcpStream } from "@anyloop/io";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught } from "../../../tools/test-support/each-real.ts";
import { bytes, onPair, text } from "./sockets.ts";

/** Sizes of the writes that reach the runtime's socket; empty ones only ask to be called back. */
function writesOf({ raw }: SocketStream<unknown>): number[] {
  const sizes: number[] = [];
  const write = raw.write.bind(raw) as (...args: unknown[]) => boolean;
  raw.write = (...args: unknown[]): boolean => {
    const [data] = args as [Uint8Array];
    if (data.length > 0) sizes.push(data.length);
    return write(...args);
  };
  return sizes;
}

onPair("what a task sends goes out in one write when it blocks", function* (near, far) {
  const writes = writesOf(near);
  for (let count = 0; count < 50; count++) yield* near.send(bytes("line\n"));
  expect(writes).toEqual([]);
  yield* sleep(1);
  expect(writes).toEqual([250]);
  expect(text(yield* far.receive())).toBe("line\n".repeat(50));
});

onPair("a task whose budget is spent has not blocked", function* (near, far) {
  const writes = writesOf(near);
  for (let count = 0; count < 2_000; count++) yield* near.send(bytes("line\n"));
  yield* sleep(1);
  // One for each slice of 0.2 ms, not one for each turn among the tasks.
  expect(writes.length).toBeLessThan(20);
  let received = 0;
  while (received < 10_000) received += (yield* far.receive()).length;
});

onPair("it goes out when the task ends", function* (near, far) {
  const writes = writesOf(near);
  yield* taskGroup(function* (group) {
    const task = group.startSoon(function* () {
      yield* near.send(bytes("one "));
      yield* near.send(bytes("two"));
    });
    yield* task.wait();
    expect(writes).toEqual([7]);
  });
  expect(text(yield* far.receive())).toBe("one two");
});

onPair("an await on a send that is done at once is not blocking", function* (near, far) {
  const writes = writesOf(near);
  yield* taskGroup(function* (group) {
    group.startSoon(async () => {
      for (let count = 0; count < 50; count++) await near.send(bytes("x"));
      expect(writes).toEqual([]);
      await sleep(1);
      expect(writes).toEqual([50]);
      await near.send(bytes("y"));
      // A promise that no loop knows of: the host's next turn is the latest.
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
      expect(writes).toEqual([50, 1]);
    });
  });
  expect((yield* far.receive()).length).toBeGreaterThan(0);
});

onPair("a task that never blocks is written for at the end of the drain", function* (near, far) {
  yield* taskGroup(function* (group) {
    const spin = { isOver: false };
    group.startSoon(function* () {
      yield* near.send(bytes("x"));
      while (!spin.isOver) yield* checkpointIfCancelled();
    });
    expect(text(yield* far.receive())).toBe("x");
    spin.isOver = true;
  });
});

onPair("past 64 kB it goes out without waiting for more", function* (near, far) {
  const writes = writesOf(near);
  for (let count = 0; count < 7; count++) yield* near.send(new Uint8Array(10_000));
  expect(writes.reduce((sum, size) => sum + size, 0)).toBe(70_000);
  let received = 0;
  while (received < 70_000) received += (yield* far.receive()).length;
});

onPair(
  "what is sent by several tasks is not mixed up, and their buffers are theirs again",
  function* (near, far) {
    const buffer = new Uint8Array(3);
    yield* taskGroup(function* (group) {
      for (const stream of [near, far]) {
        group.startSoon(function* () {
          for (const value of [1, 2, 3]) {
            buffer.fill(value);
            yield* stream.send(buffer);
          }
        });
      }
      yield* waitAllTasksBlocked();
      expect([...(yield* near.receive())]).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3]);
      expect([...(yield* far.receive())]).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3]);
    });
  },
);

onPair("cancelling does not take back what send has accepted", function* (near, far) {
  const scope = new CancelScope();
  yield* scope.run(function* () {
    yield* near.send(bytes("accepted"));
    scope.cancel();
    yield* near.send(bytes("never"));
  });
  expect(text(yield* far.receive())).toBe("accepted");
  yield* near.close();
  expect(yield* caught(far.receive())).toBeInstanceOf(EndOfStream);
});

onPair("flush waits until the system has everything", function* (near, far) {
  const writes = writesOf(near);
  yield* near.send(bytes("now"));
  yield* near.flush();
  expect(writes).toEqual([3]);
  expect(text(yield* far.receive())).toBe("now");
});

onPair("a flush that was cancelled does not make the next one come too early", function* (near, far) {
  yield* taskGroup(function* (group) {
    const size = 8 << 20;
    const filling = group.startSoon(near.send(new Uint8Array(size)));
    yield* waitAllTasksBlocked();
    filling.cancel();
    yield* filling.wait();
    const scope = new CancelScope();
    group.startSoon(scope.run(near.flush()));
    yield* waitAllTasksBlocked();
    scope.cancel();
    yield* waitAllTasksBlocked();
    const flushing = group.startSoon(near.flush());
    yield* waitAllTasksBlocked();
    expect(flushing.status).toBe("running");
    for (let received = 0; received < size;) received += (yield* far.receive()).length;
    yield* flushing.join();
    expect(near.raw.writableLength).toBe(0);
  });
});

onPair("a large send under way is finished by a cancellation, and refuses a second", function* (near, far) {
  const size = 8 << 20;
  yield* taskGroup(function* (group) {
    const sending = group.startSoon(function* () {
      yield* near.send(new Uint8Array(size));
      return "accepted";
    });
    yield* waitAllTasksBlocked();
    expect(yield* caught(near.send(bytes("x")))).toBeInstanceOf(BusyResourceError);
    sending.cancel();
    yield* sending.wait();
    expect(sending.value).toBe("accepted");
  });
  let received = 0;
  while (received < size) received += (yield* far.receive()).length;
});

onPair("a text is refused: it would have to be encoded first", function* (near) {
  expect(() => near.send("text" as unknown as Uint8Array)).toThrow(UsageError);
});

onPair("an operation may be kept and performed again", function* (near, far) {
  const send = near.send(bytes("again "));
  const receive = far.receive();
  yield* send;
  expect(text(yield* receive)).toBe("again ");
  yield* send;
  expect(text(yield* receive)).toBe("again ");
});

onPair("close throws an error of writing that no operation has reported", function* (near, far) {
  yield* taskGroup(function* (group) {
    const filling = group.startSoon(near.send(new Uint8Array(8 << 20)));
    yield* waitAllTasksBlocked();
    filling.cancel();
  });
  far.raw.resetAndDestroy();
  while (!near.raw.closed) yield* sleep(1);
  expect(yield* caught(near.close())).toBeInstanceOf(BrokenResourceError);
  yield* near.close();
});

// The two ways in which an error of writing is told: by the callback of the write, and by an event that follows.
const waitsForTheSystem: Readonly<Record<string, (stream: TcpStream) => Operation<void>>> = {
  "a flush": (stream) => stream.flush(),
  "a send of much": (stream) => stream.send(new Uint8Array(8 << 20)),
  "a send behind much": (stream) => stream.send(bytes("x")),
  "a close": (stream) => stream.close(),
};

for (const [what, waitForTheSystem] of Object.entries(waitsForTheSystem)) {
  onPair(
    `${what} throws the error of writing that ends its wait`,
    function* (near, far) {
      yield* far.sendEof();
      // Nothing is read from now on, so that the error is one of writing.
      expect(yield* caught(near.receive())).toBeInstanceOf(EndOfStream);
      yield* taskGroup(function* (group) {
        if (what !== "a send of much") {
          const filling = group.startSoon(near.send(new Uint8Array(8 << 20)));
          yield* waitAllTasksBlocked();
          filling.cancel();
          yield* filling.wait();
        }
        const waiting = group.startSoon(() => caught(waitForTheSystem(near)));
        yield* waitAllTasksBlocked();
        far.raw.resetAndDestroy();
        expect(yield* waiting.join()).toBeInstanceOf(BrokenResourceError);
      });
      // It was told, and is not told again.
      yield* near.close();
    },
    { deno: "its connection breaks as soon as much is written after the end was read" },
  );
}
