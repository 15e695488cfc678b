/** What is sent: methods, header fields, bodies. */
import { Readable } from "node:stream";
import { type Coroutine, memoryStream, operation, sleep, taskGroup, use, UsageError } from "@anyloop/core";
import { ClientSession, ConnectionFailed, HttpHeaders } from "@anyloop/http/client";
import { expect, test } from "vitest";
import { caught, each } from "../../../../tools/test-support/each-real.ts";
import { echo, type Seen } from "./handlers.ts";
import { bodyOf, withServer } from "./servers.ts";

each("a request has a method, a path, a query and header fields", () =>
  withServer(
    echo,
    function* (session) {
      const response = yield* session.get("/a/b?x=1#part", {
        query: { y: ["2", 3], z: "ä b", none: undefined },
        headers: { "X-One": "1", "x-both": "request" },
      });
      expect(response.status).toBe(200);
      expect(response.ok).toBe(true);
      expect(response.headers.get("Content-Type")).toBe("application/json");
      const seen = yield* response.json<Seen>();
      expect(seen.method).toBe("GET");
      expect(seen.url).toBe("/a/b?x=1&y=2&y=3&z=%C3%A4+b");
      expect(seen.headers).toMatchObject({ "x-one": "1", "x-both": "request", "x-session": "s" });
      expect(response.url).toContain("/a/b?x=1");
      expect(response.history).toEqual([]);
    },
    { headers: { "x-session": "s", "x-both": "session" } },
  ),
);

each("every verb is sent as it is called", () =>
  withServer(echo, function* (session) {
    for (const verb of ["get", "post", "put", "patch", "delete", "options"] as const) {
      const seen = yield* (yield* session[verb]("/")).json<Seen>();
      expect(seen.method).toBe(verb.toUpperCase());
    }
    const head = yield* session.head("/");
    expect(head.status).toBe(200);
    expect((yield* head.bytes()).length).toBe(0);
    expect((yield* (yield* session.request("PROPFIND", "/")).json<Seen>()).method).toBe("PROPFIND");
  }),
);

each("bodies: text, bytes, JSON, forms", () =>
  withServer(echo, function* (session) {
    const send = function* (options: Parameters<typeof session.post>[1]) {
      return yield* (yield* session.post("/", options)).json<Seen>();
    };
    const text = yield* send({ body: "hello" });
    expect([text.body, text.headers["content-type"]]).toEqual(["hello", "text/plain;charset=UTF-8"]);
    const bytes = yield* send({ body: new Uint8Array([1, 2, 3]) });
    expect([bytes.body, bytes.headers["content-length"]]).toEqual(["\u0001\u0002\u0003", "3"]);
    const json = yield* send({ json: { a: [1] } });
    expect([json.body, json.headers["content-type"]]).toEqual(['{"a":[1]}', "application/json"]);
    const form = yield* send({ form: { a: "1 2", b: ["x", "y"] } });
    expect([form.body, form.headers["content-type"]]).toEqual([
      "a=1+2&b=x&b=y",
      "application/x-www-form-urlencoded;charset=UTF-8",
    ]);
    const typed = yield* send({ json: 1, headers: { "content-type": "application/vnd.x+json" } });
    expect(typed.headers["content-type"]).toBe("application/vnd.x+json");
    const blob = yield* send({ body: new Blob(["blob"], { type: "text/x" }) });
    expect([blob.body, blob.headers["content-type"]]).toEqual(["blob", "text/x"]);
    expect(yield* caught(session.post("/", { json: 1, body: "x" }))).toBeInstanceOf(UsageError);
    expect(yield* caught(session.post("/", { body: 5 as unknown as string }))).toBeInstanceOf(UsageError);
  }),
);

each("multipart: fields and files, with their length and names that cannot break out", () =>
  withServer(echo, function* (session) {
    const form = new FormData();
    form.append("field", "value");
    form.append("file", new File(["content"], 'a"b\r\n.txt', { type: "application/x-test" }));
    const seen = yield* (yield* session.post("/", { multipart: form })).json<Seen>();
    const boundary = /boundary=(.+)$/.exec(seen.headers["content-type"] ?? "")?.[1] ?? "";
    expect(seen.body).toBe(
      `--${boundary}\r\ncontent-disposition: form-data; name="field"\r\n\r\nvalue\r\n` +
        `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a%22b%0D%0A.txt"\r\n` +
        `content-type: application/x-test\r\n\r\ncontent\r\n--${boundary}--\r\n`,
    );
    expect(Number(seen.headers["content-length"])).toBe(seen.body.length);
  }),
);

each("a body may be a stream of ours, or of somebody else's", () =>
  withServer(echo, function* (session) {
    const [send, receive] = memoryStream<Uint8Array>();
    const seen = yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        for (const part of ["one ", "two ", "three"]) yield* send.send(new TextEncoder().encode(part));
        yield* send.close();
      });
      return yield* (yield* session.post("/", { body: receive })).json<Seen>();
    });
    expect(seen.body).toBe("one two three");
    const readable = Readable.from([new TextEncoder().encode("node")]) as AsyncIterable<Uint8Array>;
    expect((yield* (yield* session.put("/", { body: readable })).json<Seen>()).body).toBe("node");
  }),
);

each("a streamed body that fails fails the request, and closes its connection", () =>
  withServer(echo, function* (session, server) {
    let count = 0;
    const receive = operation(function* receive(): Coroutine<Uint8Array> {
      yield* sleep(1);
      if (count++ === 2) throw new Error("the source failed");
      return new Uint8Array(10);
    });
    const error = yield* caught(session.post("/", { body: { receive } }));
    expect(String(error)).toBe("Error: the source failed");
    expect(session.statistics()).toMatchObject({ connections: 0, active: 0 });
    while (server.open() > 0) yield* sleep(1);
  }),
);

each("an upload is read no faster than the server takes it", () =>
  withServer(
    (request, response) => {
      // Reads nothing until it is told to.
      setTimeout(() => void bodyOf(request).then((body) => response.end(String(body.length))), 150);
    },
    function* (session) {
      let sent = 0;
      let sentAtFirst = 0;
      const total = 400;
      setTimeout(() => (sentAtFirst = sent), 100);
      const [send, receive] = memoryStream<Uint8Array>();
      const length = yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          for (; sent < total; sent++) yield* send.send(new Uint8Array(65_536));
          yield* send.close();
        });
        return yield* (yield* session.post("/", { body: receive })).text();
      });
      expect(Number(length)).toBe(total * 65_536);
      expect(sentAtFirst).toBeLessThan(total);
    },
  ),
);

each("a server may answer before it has heard the whole body", () =>
  withServer(
    (_request, response) => {
      response.statusCode = 413;
      response.end("too much");
    },
    function* (session) {
      const [send, receive] = memoryStream<Uint8Array>();
      const text = yield* taskGroup(function* (group) {
        const feeding = group.startSoon(function* () {
          for (;;) yield* send.send(new Uint8Array(1_000));
        });
        const response = yield* session.post("/", { body: receive });
        feeding.cancel();
        return `${String(response.status)} ${yield* response.text()}`;
      });
      expect(text).toBe("413 too much");
    },
  ),
);

each("header fields and URLs that would break out of their line are refused", () =>
  withServer(echo, function* (session, server) {
    for (const headers of [
      { "x-a": "1\r\nx-b: 2" },
      { "x-a\r\nx-b": "1" },
      { "x-a": "\0" },
      { "": "1" },
      { "x-a": "€" },
    ]) {
      const error = yield* caught(session.get("/", { headers }));
      expect(error).toBeInstanceOf(UsageError);
      expect(String(error)).toContain("line break");
    }
    expect(yield* caught(session.get("/a\r\nx-b: 2"))).toBeInstanceOf(UsageError);
    expect(server.accepted()).toBe(0);
    const seen = yield* (yield* session.get("/", { query: { "a\r\n": "b\r\n" } })).json<Seen>();
    expect(seen.url).toBe("/?a%0D%0A=b%0D%0A");
  }),
);

each("nobody there, no such host, no URL", () =>
  use(new ClientSession(), function* (session) {
    const refused = yield* caught(session.get("http://127.0.0.1:1/"));
    expect(refused).toBeInstanceOf(ConnectionFailed);
    expect(String(refused)).toContain("127.0.0.1:1");
    expect(yield* caught(session.get("/relative"))).toBeInstanceOf(UsageError);
    expect(yield* caught(session.get("ftp://127.0.0.1/"))).toBeInstanceOf(UsageError);
    expect(yield* caught(session.request("G ET", "http://127.0.0.1/"))).toBeInstanceOf(UsageError);
    expect(session.statistics()).toMatchObject({ connections: 0, active: 0 });
  }),
);

test("await using, from plain async code", async () => {
  const { httpServer } = await import("./servers.ts");
  const { setDefaultBackend } = await import("@anyloop/core");
  const { kernel } = await import("@anyloop/kernel");
  setDefaultBackend(kernel());
  const server = await httpServer(echo);
  {
    await using session = new ClientSession({ baseUrl: server.url });
    const response = await session.post("/x", { body: "async" });
    expect((await response.json<Seen>()).body).toBe("async");
  }
  await server.close();
});

test("header fields: several of a name, as an object, copied", () => {
  const headers = new HttpHeaders([
    ["Set-Cookie", "a=1"],
    ["set-cookie", "b=2"],
    ["x", " 1 "],
  ]);
  headers.append("x", "2");
  expect(headers.get("X")).toBe("1, 2");
  expect(headers.getAll("set-cookie")).toEqual(["a=1", "b=2"]);
  expect(headers.toJSON()).toEqual({ "set-cookie": ["a=1", "b=2"], x: ["1", "2"] });
  const copy = new HttpHeaders(headers);
  copy.set("x", "3");
  copy.delete("set-cookie");
  expect([...copy]).toEqual([["x", "3"]]);
  expect(headers.get("x")).toBe("1, 2");
  expect(new HttpHeaders(new Headers({ a: "b" })).get("a")).toBe("b");
  expect(new HttpHeaders({ a: ["1", "2"], b: undefined, c: 3 }).toJSON()).toEqual({ a: ["1", "2"], c: "3" });
});
