/** A ring to a thread that really blocks. */
import { Worker } from "node:worker_threads";
import { once } from "node:events";
import { createRing, RingReader } from "@anyloop/bridge-worker";
import {
  BrokenResourceError,
  ClosedResourceError,
  EndOfStream,
  fromPromise,
  moveOnAfter,
  run,
  taskGroup,
  TimeoutError,
  UsageError,
} from "anyloop";
import fc from "fast-check";
import { expect, test } from "vitest";
import { caught, each, eachUnless, noPrograms } from "./each.ts";

const program = new URL("programs/ring-reader.ts", import.meta.url);

eachUnless(
  noPrograms !== undefined,
  noPrograms ?? "",
  "a thread that blocks gets every item, in order, however little room there is",
  function* () {
    const ring = createRing<unknown>(64);
    const worker = new Worker(program, {
      workerData: ring.buffer,
      execArgv: ["--conditions=@anyloop/source"],
    });
    const answer = once(worker, "message");
    const items = Array.from({ length: 2000 }, (_, index) => ({ index, text: "ä".repeat(index % 13) }));
    for (const item of items) yield* ring.send(item);
    yield* ring.close();
    const [got] = (yield* fromPromise(answer)) as [unknown];
    expect(got).toEqual(items);
  },
);

test("what is written is what is read, wherever the memory ends", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ maxLength: 40, unit: "binary" }), { maxLength: 60 }),
      async (items) => {
        const ring = createRing<string>(1024);
        const reader = new RingReader<string>(ring.buffer);
        const got: string[] = [];
        await run(function* () {
          for (const item of items) {
            yield* ring.send(item);
            if (got.length % 2 === 0) got.push(reader.receive(0));
          }
          yield* ring.close();
        });
        expect([...got, ...reader]).toEqual(items);
      },
    ),
  );
});

each("a send waits for room; cancelled, it has written nothing", function* () {
  const ring = createRing<string>(64);
  const reader = new RingReader<string>(ring.buffer);
  yield* ring.send("a".repeat(40));
  yield* moveOnAfter(5, ring.send("b".repeat(40)));
  yield* taskGroup(function* (group) {
    group.startSoon(ring.send("c".repeat(40)));
    yield* moveOnAfter(5, ring.send("d".repeat(40)));
    expect(reader.receive(0)).toBe("a".repeat(40));
  });
  expect(reader.receive(0)).toBe("c".repeat(40));
  expect(() => reader.receive(1)).toThrow(TimeoutError);
});

each("each end tells the other that it is closed, also one that waits", function* () {
  const ring = createRing<string>(64);
  const reader = new RingReader<string>(ring.buffer);
  yield* ring.send("a".repeat(40));
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      expect(yield* caught(ring.send("b".repeat(40)))).toBeInstanceOf(BrokenResourceError);
    });
    yield* moveOnAfter(5, ring.send("c".repeat(40)));
    reader.close();
  });
  expect(() => reader.receive()).toThrow(ClosedResourceError);
  const other = createRing<string>(64);
  yield* other.send("last");
  yield* other.close();
  yield* other.close();
  expect(yield* caught(other.send("more"))).toBeInstanceOf(ClosedResourceError);
  const rest = new RingReader<string>(other.buffer);
  expect(rest.receive()).toBe("last");
  expect(() => rest.receive()).toThrow(EndOfStream);
});

each("a thread that is gone breaks sends that wait, with the cause", function* () {
  const ring = createRing<string>(64);
  yield* ring.send("a".repeat(40));
  const cause = new Error("the thread is gone");
  setTimeout(() => ring.breakOff(cause), 5);
  expect(yield* caught(ring.send("b".repeat(40)))).toMatchObject({ name: "BrokenResourceError", cause });
});

test("what JSON would lose, and what never fits, is refused", () => {
  const ring = createRing<unknown>(64);
  for (const item of [
    undefined,
    () => {},
    1n,
    NaN,
    new Map(),
    { at: new Date() },
    [undefined],
    "x".repeat(64),
  ]) {
    expect(() => ring.send(item)).toThrow(UsageError);
  }
  expect(() => createRing(0)).toThrow(UsageError);
});
