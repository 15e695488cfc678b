/** What the rules of bridges do not say: pipes of real files and sockets, emitters, callbacks, both ways. */
import { EventEmitter } from "node:events";
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Transform, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { openPortal } from "@anyloop/bridge";
import {
  fromCallback,
  fromDuplex,
  fromReadable,
  once,
  readable,
  toCallback,
  toEmitter,
  toReadable,
  toWritable,
  writable,
} from "@anyloop/bridge-node";
import {
  BrokenResourceError,
  ClosedResourceError,
  type Coroutine,
  forEach,
  fromPromise,
  memoryStream,
  moveOnAfter,
  type Operation,
  RunFinishedError,
  sleep,
  taskGroup,
  use,
} from "@anyloop/core";
import { everyBackend } from "@anyloop/testing";
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

each("a file is copied through streams of ours, byte for byte", function* () {
  const folder = mkdtempSync(path.join(tmpdir(), "anyloop-bridge-"));
  try {
    const [from, to] = [path.join(folder, "from"), path.join(folder, "to")];
    const content = Buffer.alloc(1_000_000, "0123456789");
    writeFileSync(from, content);
    yield* use(fromReadable<Buffer>(createReadStream(from)), (source) =>
      use(toWritable<Buffer>(createWriteStream(to)), function* (sink) {
        yield* forEach(source, (chunk) => sink.send(chunk));
      }),
    );
    expect(readFileSync(to).equals(content)).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

each("a missing file is Broken with the error of the system", function* () {
  const error = yield* caught(fromReadable(createReadStream("/no/such/file")).receive());
  expect(error).toBeInstanceOf(BrokenResourceError);
  expect((error as { cause: { code: string } }).cause.code).toBe("ENOENT");
});

each("a socket of node:net is a stream of ours, both ways and half closed", function* () {
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  yield* fromPromise(new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve)));
  try {
    const { port } = server.address() as { port: number };
    const stream = fromDuplex<Buffer>(connect({ port, host: "127.0.0.1", allowHalfOpen: true }));
    yield* stream.send(Buffer.from("hello"));
    expect((yield* stream.receive()).toString()).toBe("hello");
    yield* stream.sendEof();
    expect((yield* stream.next()).done).toBe(true);
    yield* stream.close();
  } finally {
    server.close();
  }
});

each("a stream of ours stands at both ends of a Node pipeline", function* () {
  yield* taskGroup(function* (group) {
    const [send, receive] = memoryStream<number>();
    const doubled = new Transform({
      objectMode: true,
      transform: (item: number, _encoding, done) => done(null, item * 2),
    });
    const [sink, results] = writable<number>();
    const piping = pipeline(toReadable(group, receive), doubled, sink);
    group.startSoon(function* () {
      for (let item = 0; item < 100; item++) yield* send.send(item);
      yield* send.close();
    });
    const got: number[] = [];
    yield* forEach(results, (item) => void got.push(item));
    yield* fromPromise(piping);
    expect(got).toEqual(Array.from({ length: 100 }, (_, index) => index * 2));
  });
});

each("a failure of ours ends a Node pipeline with that error", function* () {
  const boom = new Error("boom");
  const [send, source] = readable<number>();
  const piping = pipeline(
    source,
    new Writable({ objectMode: true, write: (_item, _encoding, done) => done() }),
  );
  yield* send.send(1);
  send.fail(boom);
  expect(yield* caught(fromPromise(piping))).toBe(boom);
  expect(yield* caught(send.send(2))).toBeInstanceOf(ClosedResourceError);
});

each("a group that ends tells the reader of what it fed", function* () {
  let failing: Promise<unknown> = Promise.resolve();
  yield* taskGroup(function* (group) {
    const [, receive] = memoryStream<number>();
    failing = toReadable(group, receive)
      .toArray()
      .catch((error: unknown) => error);
    yield* sleep(0);
    group.cancel();
  });
  expect(yield* fromPromise(failing)).toBeInstanceOf(RunFinishedError);
});

each("an error of the last write is thrown by close", function* () {
  const boom = new Error("disk full");
  const send = toWritable<string>(
    new Writable({ write: (_chunk, _encoding, done) => void setTimeout(done, 1, boom) }),
  );
  yield* send.send("lost");
  const error = yield* caught(send.close());
  expect(error).toBeInstanceOf(BrokenResourceError);
  expect((error as Error).cause).toBe(boom);
});

each("once gives the next event, throws on an error event, and listens no more", function* () {
  const emitter = new EventEmitter();
  const boom = new Error("boom");
  setTimeout(() => emitter.emit("ready", 1, "one"), 1);
  expect(yield* once<[number, string]>(emitter, "ready")).toEqual([1, "one"]);
  setTimeout(() => emitter.emit("error", boom), 1);
  expect(yield* caught(once(emitter, "ready"))).toBe(boom);
  expect(yield* moveOnAfter(1, once(emitter, "ready"))).toBeUndefined();
  expect(emitter.eventNames()).toEqual([]);
});

each("what is sent to an emitter is emitted; what a listener throws is thrown by the send", function* () {
  const emitter = new EventEmitter();
  const heard: unknown[] = [];
  const boom = new Error("boom");
  emitter.on("item", (...args: unknown[]) => {
    heard.push(args);
    if (args[0] === 2) throw boom;
  });
  const send = toEmitter<[number, string]>(emitter, "item");
  yield* send.send([1, "one"]);
  expect(yield* caught(send.send([2, "two"]))).toBe(boom);
  expect(heard).toEqual([
    [1, "one"],
    [2, "two"],
  ]);
  yield* send.close();
  expect(yield* caught(send.send([3, "three"]))).toBeInstanceOf(ClosedResourceError);
});

each("functions that call back go both ways", function* () {
  expect(yield* fromCallback<number>((done) => void setTimeout(done, 1, null, 42))).toBe(42);
  const boom = new Error("boom");
  yield* openPortal(function* (portal) {
    const double = toCallback(portal, function* (value: number) {
      yield* sleep(0);
      if (value < 0) throw boom;
      return value * 2;
    });
    const promised = promisify(double) as (value: number) => Promise<number>;
    expect(yield* fromPromise(promised(21))).toBe(42);
    expect(yield* caught(fromPromise(promised(-1)))).toBe(boom);
  });
});

each("work that calls back when it is told to stop ends as the cancellation", function* () {
  let isStopped = false;
  const nothing = yield* moveOnAfter(
    1,
    fromCallback<string>((done) => {
      const timer = setTimeout(done, 60_000, null, "late");
      return () => {
        clearTimeout(timer);
        isStopped = true;
        done(new DOMException("stopped", "AbortError"));
      };
    }),
  );
  expect(nothing).toBeUndefined();
  expect(isStopped).toBe(true);
});
