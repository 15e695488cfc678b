/** Requests and answers, as any client sees them. */
import { cancellationPending, type Coroutine, Event, fromPromise, sleep } from "@anyloop/core";
import { Application, HttpError, ServerResponse } from "@anyloop/http/server";
import { Client, request as undiciRequest } from "undici";
import { expect } from "vitest";
import { each } from "../../../../tools/test-support/each-real.ts";
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

each("a vanished client cancels the handler only where the route asks for it", function* () {
  const steps: string[] = [];
  let entered = new Event();
  let ended = new Event();
  function* waits(name: string, milliseconds: number): Coroutine<ServerResponse> {
    entered.set();
    try {
      yield* sleep(milliseconds);
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
    .get("/stops", () => waits("stops", 10_000), { cancelOnDisconnect: true })
    .get("/goes-on", function* (request) {
      const { signal } = request;
      const response = yield* waits("goes on", 50);
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
