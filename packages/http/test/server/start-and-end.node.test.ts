/** How a server comes and goes: what it needs, the port, and what happens to those who are connected. */
import { createServer, type Socket } from "node:net";
import {
  all,
  type Coroutine,
  Event,
  fromPromise,
  moveOnAfter,
  shield,
  sleep,
  sleepForever,
  taskGroup,
} from "@anyloop/core";
import { BindError } from "@anyloop/io";
import { Application, serve, ServerResponse, type Serving, StorageKey } from "@anyloop/http/server";
import { expect } from "vitest";
import { caught, each } from "../../../../tools/test-support/each-real.ts";
import { ask, comes, dial, withServer } from "./serving.ts";

const hello = new Application().get("/hello", () => ServerResponse.text("hello"));

each("a port that is taken is an error of start, and the group goes on", function* () {
  const other = createServer();
  yield* fromPromise(new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve)));
  const { port } = other.address() as { port: number };
  yield* taskGroup(function* (group) {
    const start = group.start<Serving>((status) => serve(hello, { host: "127.0.0.1", port }, status));
    const error = yield* caught(start);
    expect(error).toBeInstanceOf(BindError);
    expect((error as BindError).code).toBe("EADDRINUSE");
    expect(group.tasks.size).toBe(0);
  });
  other.close();
});

const first = new StorageKey<string>("first");
const second = new StorageKey<string>("second");

each("what is provided starts in order and is taken down in reverse, after the last request", function* () {
  const steps: string[] = [];
  const entered = new Event();
  const provided = (name: string) =>
    function* (status: { started(value: string): void }): Coroutine<void> {
      steps.push(`start ${name}`);
      try {
        status.started(name);
        yield* sleepForever();
      } finally {
        yield* shield(sleep(1));
        steps.push(`end ${name}`);
      }
    };
  const app = new Application()
    .provide(first, provided("first"))
    .provide(second, provided("second"))
    .get("/", function* (request) {
      entered.set();
      yield* request.stopping.wait();
      yield* sleep(5);
      steps.push("answered");
      return ServerResponse.text(`${request.storage.get(first)} ${request.storage.get(second)}`);
    });
  yield* withServer(app, function* (serving) {
    const [{ text, headers }] = yield* all([
      ask(serving.url, { headers: { connection: "keep-alive" } }),
      function* () {
        yield* entered.wait();
        serving.stop();
      },
    ]);
    expect(text).toBe("first second");
    expect(headers.connection).toBe("close");
  });
  expect(steps).toEqual(["start first", "start second", "answered", "end second", "end first"]);
});

each("a start that fails takes down what had started, and is thrown from start", function* () {
  const steps: string[] = [];
  const broken = new Error("no database");
  const app = new Application()
    .provide(first, function* (status) {
      status.started("first");
      try {
        yield* sleepForever();
      } finally {
        steps.push("end first");
      }
    })
    .provide(second, function* () {
      yield* sleep(1);
      throw broken;
    });
  yield* taskGroup(function* (group) {
    expect(yield* caught(group.start<Serving>((status) => serve(app, {}, status)))).toBe(broken);
  });
  expect(steps).toEqual(["end first"]);
});

each("a start that hangs is called off by a cancellation", function* () {
  const steps: string[] = [];
  const app = new Application()
    .provide(first, function* (status) {
      status.started("first");
      try {
        yield* sleepForever();
      } finally {
        steps.push("end first");
      }
    })
    .provide(second, function* () {
      yield* sleepForever();
    });
  yield* moveOnAfter(10, serve(app));
  expect(steps).toEqual(["end first"]);
});

each("what is provided and fails ends the server with its error", function* () {
  const broken = new Error("the database has gone");
  const app = new Application().provide(first, function* (status) {
    status.started("first");
    yield* sleep(5);
    throw broken;
  });
  expect(yield* caught(serve(app, { host: "127.0.0.1" }))).toBe(broken);
});

each(
  "a handler that takes too long at the end is cancelled, and its client told to come again",
  function* () {
    const steps: string[] = [];
    const entered = new Event();
    const app = new Application().get("/", function* () {
      entered.set();
      try {
        yield* sleepForever();
      } finally {
        yield* shield(sleep(2));
        steps.push("cleaned");
      }
      return ServerResponse.empty();
    });
    yield* taskGroup(function* (group) {
      const serving = yield* group.start<Serving>((status) =>
        serve(app, { host: "127.0.0.1", shutdownTime: 20 }, status),
      );
      const answer = group.startSoon(shield(ask(serving.url)));
      yield* entered.wait();
      group.cancel();
      yield* shield(function* () {
        expect((yield* answer.join()).status).toBe(503);
        expect(steps).toEqual(["cleaned"]);
        expect(serving.statistics()).toMatchObject({ active: 0 });
      });
    });
  },
);

each("at the end idle connections are closed at once and nothing new is accepted", function* () {
  yield* taskGroup(function* (group) {
    const { task, value: serving } = yield* group.startTask<Serving>((status) =>
      serve(hello, { host: "127.0.0.1", shutdownTime: 60_000 }, status),
    );
    const idle = dial(serving);
    idle.write("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    yield* comes(idle, /hello$/);
    serving.stop();
    yield* task.wait();
    expect(idle.destroyed || idle.readableEnded || (yield* closes(idle))).toBe(true);
    expect(yield* caught(ask(serving.url))).toMatchObject({ code: "ECONNREFUSED" });
  });
});

each(
  "at the end a response on its way comes to its end, however long its client takes",
  function* () {
    const body = "x".repeat(20_000_000);
    const app = new Application()
      .get("/whole", () => ServerResponse.text(body))
      .get("/stream", () =>
        ServerResponse.stream(function* (write) {
          yield* write(body);
        }),
      );
    for (const path of ["whole", "stream"]) {
      yield* withServer(app, function* (serving) {
        const socket = dial(serving);
        let taken = 0;
        socket.on("data", (piece) => (taken += piece.length));
        socket.write(`GET /${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
        yield* comes(socket, /x/);
        socket.pause();
        serving.stop();
        yield* sleep(100);
        yield* closes(socket);
        expect(taken).toBeGreaterThan(body.length);
      });
    }
  },
  { bun: "its sockets break off what is on its way when they are ended" },
);

function* closes(socket: Socket): Coroutine<true> {
  yield* fromPromise(new Promise<void>((resolve) => socket.once("close", () => resolve()).resume()));
  return true;
}
