import { createServer, type Socket } from "node:net";
import {
  all,
  cancellationPending,
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
import {
  Application,
  HttpError,
  serve,
  ServerResponse,
  type Serving,
  StorageKey,
} from "@anyloop/http/server";
import { Client, request as undiciRequest } from "undici";
import { expect } from "vitest";
import { caught, each } from "./each.ts";
import { ask, comes, curl, dial, talk, withServer } from "./serving.ts";

const hello = new Application()
  .get("/hello", () => ServerResponse.text("hello"))
  .get("/async", async () => {
    await sleep(1);
    return ServerResponse.json({ style: "async" });
  })
  .get("/users/:id", function* ({ params }) {
    return ServerResponse.json({ id: params.id });
  })
  .post("/echo", function* (request) {
    return ServerResponse.json(yield* request.json());
  });

each("node's client, undici and curl are answered alike", function* () {
  yield* withServer(hello, function* ({ url }) {
    const node = yield* ask(`${url}/hello`);
    expect(node).toMatchObject({ status: 200, text: "hello" });
    expect(node.headers).toMatchObject({
      "content-type": "text/plain; charset=utf-8",
      "content-length": "5",
    });
    expect(Date.parse(node.headers.date ?? "")).toBeGreaterThan(Date.now() - 5_000);
    const undici = yield* fromPromise(undiciRequest(`${url}/users/7`));
    expect(yield* fromPromise(undici.body.json())).toEqual({ id: "7" });
    expect(yield* curl("-d", '{"a":[1,2]}', `${url}/echo`)).toBe('{"a":[1,2]}');
    expect((yield* ask(`${url}/async`)).text).toBe('{"style":"async"}');
  });
});

each(
  "a connection is kept for the next request",
  function* () {
    yield* withServer(hello, function* (serving) {
      const client = new Client(serving.url);
      for (let index = 0; index < 3; index++) {
        const { body } = yield* fromPromise(client.request({ path: "/hello", method: "GET" }));
        expect(yield* fromPromise(body.text())).toBe("hello");
      }
      expect(serving.statistics()).toEqual({ connections: 1, active: 0, requests: 3 });
      yield* fromPromise(client.close());
    });
  },
  { bun: "its undici is a stub" },
);

each(
  "pipelined requests are answered one by one, in order",
  function* () {
    let running = 0;
    const app = new Application().get("/slow/:time", function* ({ params }) {
      expect(++running).toBe(1);
      yield* sleep(Number(params.time));
      running--;
      return ServerResponse.text(`<${params.time}>`);
    });
    yield* withServer(app, function* (serving) {
      const lines = [5, 1, 3].map((time) => `GET /slow/${String(time)} HTTP/1.1\r\nHost: a\r\n\r\n`);
      const last = "GET /slow/2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
      const answer = yield* talk(serving, lines.join("") + last);
      expect(answer.match(/<\d>/g)).toEqual(["<5>", "<1>", "<3>", "<2>"]);
      expect(answer.match(/connection: close/g)).toHaveLength(1);
    });
  },
  { bun: "loses pipelined responses that take time" },
);

each("far more pipelined requests than may wait are all answered", function* () {
  yield* withServer(hello, function* (serving) {
    const one = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    const last = "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    const answer = yield* talk(serving, one.repeat(500) + last);
    expect(answer.match(/HTTP\/1.1 200 OK/g)).toHaveLength(501);
  });
});

each("HTTP/1.0 and Connection: close end the connection", function* () {
  yield* withServer(hello, function* (serving) {
    const old = yield* talk(serving, "GET /hello HTTP/1.0\r\n\r\n");
    expect(old).toMatch(/connection: close\r\n/i);
    expect(old).toMatch(/hello$/);
    expect(yield* talk(serving, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).toMatch(
      /hello$/,
    );
  });
});

each("a HEAD request gets the head of a GET and no body", function* () {
  yield* withServer(hello, function* (serving) {
    const { url } = serving;
    const head = yield* ask(`${url}/hello`, { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, text: "" });
    expect(head.headers["content-length"]).toBe("5");
    expect(yield* talk(serving, "HEAD /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).toMatch(
      /\r\n\r\n$/,
    );
  });
});

each("an unknown path is a 404, a known one with another method a 405 that says which it has", function* () {
  yield* withServer(hello, function* ({ url }) {
    expect((yield* ask(`${url}/nowhere`)).status).toBe(404);
    const refused = yield* ask(`${url}/hello`, { method: "DELETE" });
    expect(refused.status).toBe(405);
    expect(refused.headers.allow).toBe("GET, HEAD");
    expect((yield* ask(`${url}/echo`, { method: "PUT" })).headers.allow).toBe("POST");
  });
});

each("what a handler throws is a 500 that tells the client nothing and the hook everything", function* () {
  const secret = new Error("the password is 1234");
  const reported: unknown[] = [];
  const app = new Application()
    .get("/fails", function* () {
      yield* sleep(0);
      throw secret;
    })
    .get("/nothing", (() => undefined) as never)
    .get("/own", () => {
      throw new HttpError(418, "short and stout", { headers: { "x-pot": "tea" } });
    });
  yield* withServer(
    app,
    function* ({ url }) {
      const failed = yield* ask(`${url}/fails`);
      expect(failed).toMatchObject({ status: 500, text: "Internal Server Error\n" });
      expect((yield* ask(`${url}/nothing`)).status).toBe(500);
      const own = yield* ask(`${url}/own`);
      expect(own).toMatchObject({ status: 418, text: "short and stout\n" });
      expect(own.headers["x-pot"]).toBe("tea");
    },
    { onError: (error, request) => reported.push([error, request?.path]) },
  );
  expect(reported).toEqual([
    [secret, "/fails"],
    [expect.any(TypeError), "/nothing"],
  ]);
});

each("a client that expects to be asked is asked when somebody reads", function* () {
  const app = new Application()
    .post("/read", function* (request) {
      return ServerResponse.text(yield* request.text());
    })
    .post("/refuse", () => {
      throw new HttpError(401);
    });
  yield* withServer(app, function* (serving) {
    const head =
      "HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
    const reader = dial(serving);
    reader.write(`POST /read ${head}`);
    expect(yield* comes(reader, /\r\n\r\n/)).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    reader.write("body");
    expect(yield* comes(reader, /body$/)).toMatch(/^HTTP\/1.1 200 OK/);
    const refused = yield* talk(serving, `POST /refuse ${head}`);
    expect(refused).toMatch(/^HTTP\/1.1 401 Unauthorized/);
    expect(refused).not.toContain("100 Continue");
  });
});

each("parameters and queries are decoded, and what cannot be is a 400", function* () {
  const app = new Application().get("/a/:name/*rest", function* ({ params, query, path }) {
    return ServerResponse.json([params.name, params.rest, query.get("q"), path]);
  });
  yield* withServer(app, function* (serving) {
    const { text } = yield* ask(`${serving.url}/a/j%C3%B6rg%2Fx/b/c?q=%20+1`);
    expect(JSON.parse(text)).toEqual(["jörg/x", "b/c", "  1", "/a/j%C3%B6rg%2Fx/b/c"]);
    const bad = yield* talk(serving, "GET /a/%ff/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(bad).toMatch(/^HTTP\/1.1 400 /);
    const absolute = yield* talk(
      serving,
      "GET http://b/a/n/r?q=2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    expect(absolute).toMatch(/\["n","r","2","\/a\/n\/r"\]$/);
  });
});

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
      yield* sleep(20);
      steps.push("answered");
      return ServerResponse.text(`${request.storage.get(first)} ${request.storage.get(second)}`);
    });
  yield* withServer(app, function* (serving) {
    const [{ text, headers }] = yield* all([
      ask(serving.url, { headers: { connection: "keep-alive" } }),
      function* () {
        yield* sleep(5);
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

each("at the end a response on its way comes to its end, however long its client takes", function* () {
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
});

function* closes(socket: Socket): Coroutine<true> {
  yield* fromPromise(new Promise<void>((resolve) => socket.once("close", () => resolve()).resume()));
  return true;
}

each("a vanished client cancels the handler only where the route asks for it", function* () {
  const steps: string[] = [];
  let entered = new Event();
  let ended = new Event();
  function* waits(name: string): Coroutine<ServerResponse> {
    entered.set();
    try {
      yield* sleep(50);
      steps.push(`${name} finished`);
    } catch (error) {
      steps.push(`${name} cancelled ${String(cancellationPending())}`);
      throw error;
    } finally {
      ended.set();
    }
    return ServerResponse.empty();
  }
  const app = new Application()
    .get("/stops", () => waits("stops"), { cancelOnDisconnect: true })
    .get("/goes-on", function* (request) {
      const { signal } = request;
      const response = yield* waits("goes on");
      steps.push(`signal ${String(signal.aborted)}`);
      return response;
    });
  const path = ["/stops", "/goes-on"];
  for (const each of path) {
    entered = new Event();
    ended = new Event();
    yield* withServer(app, function* (serving) {
      const socket = dial(serving);
      socket.write(`GET ${each} HTTP/1.1\r\nHost: a\r\n\r\n`);
      yield* entered.wait();
      socket.destroy();
      yield* ended.wait();
    });
    if (each === "/stops") expect(steps).toEqual(["stops cancelled true"]);
  }
  expect(steps.slice(1)).toEqual(["goes on finished", "signal true"]);
});
