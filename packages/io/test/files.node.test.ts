/** Real files in directories of their own. */
import { chmodSync, existsSync, readdirSync } from "node:fs";
import {
  BusyResourceError,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  forEach,
  isCancelled,
  linesOf,
  run,
  taskGroup,
  use,
  UsageError,
} from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import {
  appendFile,
  openFile,
  type OpenFile,
  readFile,
  readText,
  SystemError,
  tempDirectory,
  writeFile,
} from "@anyloop/io";
import fc from "fast-check";
import { expect, test } from "vitest";
import { caught } from "./each.ts";
import { eachIn } from "./each-in.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

eachIn("whole files are written, appended to and read", function* (directory) {
  const file = directory.join("notes.txt");
  yield* writeFile(file, "höllo");
  yield* appendFile(file.toString(), encode(" world"));
  expect(yield* readText(new URL(`file://${file.path}`))).toBe("höllo world");
  expect(decode(yield* readFile(file))).toBe("höllo world");
  yield* writeFile(file, "new");
  expect(yield* readText(file)).toBe("new");
});

eachIn("text that is none, and encodings that are none, are refused", function* (directory) {
  const file = directory.join("bytes");
  yield* writeFile(file, Uint8Array.of(0xff, 0xfe, 0x41, 0x00));
  expect(yield* caught(readText(file))).toBeInstanceOf(TypeError);
  expect(yield* readText(file, { encoding: "utf-16le" })).toBe("A");
  expect(() => readText(file, { encoding: "no-such" })).toThrow(RangeError);
});

eachIn(
  "what the system refuses is a SystemError with code, path, cause and a sentence",
  function* (directory) {
    const missing = directory.join("missing");
    const error = (yield* caught(readFile(missing))) as SystemError;
    expect(error).toBeInstanceOf(SystemError);
    expect([error.code, error.path, error.name]).toEqual(["ENOENT", missing.path, "SystemError"]);
    expect(error.cause).toBeInstanceOf(Error);
    expect(error.message).toBe(
      `Cannot read ${missing.path} (ENOENT). It does not exist: check the name and where it is looked for.`,
    );
    const codeOf = function* (work: Parameters<typeof caught>[0]) {
      return ((yield* caught(work)) as SystemError).code;
    };
    expect(yield* codeOf(openFile(missing))).toBe("ENOENT");
    expect(yield* codeOf(readFile(directory))).toBe("EISDIR");
    yield* directory.join("there").write("");
    expect(yield* codeOf(openFile(directory.join("there"), "wx"))).toBe("EEXIST");
    expect(yield* codeOf(readFile(directory.join("there", "below")))).toBe("ENOTDIR");
    expect(yield* codeOf(directory.removeDirectory())).toBe("ENOTEMPTY");
  },
);

test("URLs that name no file are refused", () => {
  expect(() => readFile(new URL("https://example.org/x"))).toThrow(TypeError);
});

eachIn("an open file reads, writes and knows where it is", function* (directory) {
  yield* use(directory.join("data").open("w+"), function* (file) {
    yield* file.write("hello world");
    expect(file.position).toBe(11);
    expect(yield* file.read()).toHaveLength(0);
    expect(yield* file.seek(6)).toBe(6);
    expect(decode(yield* file.read(3))).toBe("wor");
    expect(yield* file.seek(-5, "end")).toBe(6);
    expect(yield* file.seek(1, "current")).toBe(7);
    yield* file.write(encode("OR"));
    yield* file.seek(0);
    expect(decode(yield* file.read())).toBe("hello wORld");
    yield* file.truncate(5);
    yield* file.sync();
    expect((yield* file.stat()).size).toBe(5);
    expect(file.position).toBe(11);
    for (const [offset, origin] of [
      [-1, "start"],
      [-6, "end"],
      [0.5, "start"],
    ] as const) {
      expect(yield* caught(file.seek(offset, origin))).toBeInstanceOf(UsageError);
    }
    expect(yield* caught(file.truncate(-1))).toBeInstanceOf(UsageError);
    for (const maxBytes of [0, -1, 1.5, Number.NaN]) expect(() => file.read(maxBytes)).toThrow(UsageError);
  });
});

eachIn("a file that appends writes at the end wherever it reads", function* (directory) {
  const path = directory.join("log");
  yield* path.write("one\n");
  yield* use(openFile(path, "a+"), function* (file) {
    expect(decode(yield* file.read(2))).toBe("on");
    yield* file.write("two\n");
    yield* file.seek(0);
    yield* file.write("three\n");
  });
  expect(yield* path.readText()).toBe("one\ntwo\nthree\n");
});

eachIn("a file is a stream of bytes, and of lines", function* (directory) {
  const path = directory.join("lines");
  yield* path.write("one\r\ntwo\nlast");
  yield* use(openFile(path), function* (file) {
    const lines: string[] = [];
    yield* forEach(file.lines(), function* (line) {
      lines.push(line);
    });
    expect(lines).toEqual(["one", "two", "last"]);
    expect(yield* caught(file.receive())).toBeInstanceOf(EndOfStream);
    yield* file.seek(5);
    expect(decode(yield* file.receive(3))).toBe("two");
  });
  yield* use(openFile(path, "w"), function* (file) {
    yield* file.send(encode("sent"));
  });
  const lines = linesOf(yield* openFile(path));
  expect(yield* lines.receive()).toBe("sent");
  yield* lines.close();
});

eachIn("what is no ordinary file is read as it comes", function* () {
  yield* use(openFile("/dev/zero"), function* (zero) {
    expect(yield* zero.read(3)).toEqual(Uint8Array.of(0, 0, 0));
    expect(yield* caught(zero.seek(1))).toBeInstanceOf(UsageError);
  });
});

eachIn("two tasks at once are Busy", function* (directory) {
  yield* use(directory.join("data").open("w+"), function* (file) {
    expect(yield* startBoth(file)).toEqual([expect.any(BusyResourceError)]);
    yield* file.write("and then it is free");
  });
});

/** What the second of two reads at once throws. */
function* startBoth(file: OpenFile): Coroutine<unknown[]> {
  const errors: unknown[] = [];
  const read = function* (): Coroutine<void> {
    try {
      yield* file.read();
    } catch (error) {
      errors.push(error);
    }
  };
  yield* taskGroup(function* (group) {
    group.startSoon(read);
    group.startSoon(read);
  });
  return errors;
}

eachIn("a closed file is closed, once", function* (directory) {
  const file = yield* openFile(directory.join("data"), "w");
  yield* file.close();
  yield* file.close();
  expect(yield* caught(file.write("x"))).toBeInstanceOf(ClosedResourceError);
  expect(yield* caught(file.read())).toBeInstanceOf(ClosedResourceError);
});

// Cancellation.

eachIn("arriving cancelled touches nothing", function* (directory) {
  const path = directory.join("data");
  const scope = new CancelScope();
  scope.cancel();
  yield* scope.run(writeFile(path, "x"));
  expect([scope.cancelledCaught, yield* path.exists()]).toEqual([true, false]);
  yield* use(openFile(path, "w+"), function* (file) {
    const inner = new CancelScope();
    inner.cancel();
    yield* inner.run(file.write("x"));
    expect([inner.cancelledCaught, file.position]).toEqual([true, 0]);
  });
});

eachIn(
  "a write or an opening that has begun is completed; the cancellation shows at the next operation",
  function* (directory) {
    const path = directory.join("data");
    let opened: OpenFile | undefined;
    yield* taskGroup(function* (group) {
      const task = group.startSoon(function* () {
        // Told to stop by itself, while the system is at work.
        queueMicrotask(() => task.cancel());
        opened = yield* openFile(path, "w");
      });
      yield* task.wait();
    });
    const file = opened as unknown as OpenFile;
    const data = new Uint8Array(1 << 20).fill(65);
    let next: unknown;
    yield* taskGroup(function* (group) {
      const task = group.startSoon(function* () {
        queueMicrotask(() => task.cancel());
        yield* file.write(data);
        next = yield* caught(file.sync());
      });
      yield* task.wait();
    });
    expect(isCancelled(next)).toBe(true);
    expect(file.position).toBe(data.length);
    yield* file.close();
    expect((yield* path.stat()).size).toBe(data.length);
  },
);

eachIn("close closes, cancelled or not", function* (directory) {
  const file = yield* openFile(directory.join("data"), "w");
  const scope = new CancelScope();
  scope.cancel();
  yield* scope.run(file.close());
  expect(scope.cancelledCaught).toBe(true);
  expect(yield* caught(file.write("x"))).toBeInstanceOf(ClosedResourceError);
});

// Paths.

// A model: a file is an array of bytes and a place in it.

function ofLength(bytes: Buffer, length: number): Buffer {
  const cut = Buffer.alloc(length);
  bytes.copy(cut);
  return cut;
}

function written(bytes: Buffer, at: number, data: Uint8Array): Buffer {
  if (data.length === 0) return bytes;
  const grown = ofLength(bytes, Math.max(bytes.length, at + data.length));
  grown.set(data, at);
  return grown;
}

test("reads, writes, seeks and truncations are those of a simple model", async () => {
  const step = fc.oneof(
    fc.record({ act: fc.constant("write" as const), data: fc.uint8Array({ maxLength: 20 }) }),
    fc.record({ act: fc.constant("read" as const), count: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ act: fc.constant("seek" as const), to: fc.nat({ max: 40 }) }),
    fc.record({ act: fc.constant("truncate" as const), length: fc.nat({ max: 40 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
      await run(
        function* () {
          const path = yield* tempDirectory();
          yield* use(path, () =>
            use(openFile(path.join("data"), "w+"), function* (file) {
              let model: Buffer = Buffer.alloc(0);
              let at = 0;
              for (const step of steps) {
                if (step.act === "write") {
                  yield* file.write(step.data);
                  model = written(model, at, step.data);
                  at += step.data.length;
                } else if (step.act === "read") {
                  const expected = model.subarray(at, at + step.count);
                  expect(Buffer.from(yield* file.read(step.count))).toEqual(Buffer.from(expected));
                  at += expected.length;
                } else if (step.act === "seek") {
                  at = yield* file.seek(step.to);
                } else {
                  yield* file.truncate(step.length);
                  model = ofLength(model, step.length);
                }
                expect(file.position).toBe(at);
              }
              expect(Buffer.from(yield* readFile(path.join("data")))).toEqual(model);
            }),
          );
        },
        { backend: kernel() },
      );
    }),
    { numRuns: 40 },
  );
});

test("async style", async () => {
  const [text, directory] = await run(
    async () => {
      await using directory = await tempDirectory();
      await using file = await openFile(directory.join("data"), "w+");
      await file.write("a\nb\n");
      await file.seek(0);
      let text = "";
      for await (const line of file.lines()) text += line;
      return [text, directory] as const;
    },
    { backend: kernel() },
  );
  expect(text).toBe("ab");
  expect(existsSync(directory.path)).toBe(false);
});

test.skipIf(process.getuid?.() === 0)(
  "no permission is told [the superuser has every permission]",
  async () => {
    await run(
      () =>
        use(tempDirectory(), function* (directory) {
          chmodSync(directory.path, 0o500);
          const error = yield* caught(directory.join("x").write("x"));
          expect((error as SystemError).code).toBe("EACCES");
          expect(readdirSync(directory.path)).toEqual([]);
        }),
      { backend: kernel() },
    );
  },
);
