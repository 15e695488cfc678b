import { Readable } from "node:stream";
import {
  BrokenResourceError,
  type Coroutine,
  EndOfStream,
  forEach,
  memoryStream,
  operation,
  sleep,
  taskGroup,
  use,
  UsageError,
} from "@anyloop/core";
import {
  BodyTooLarge,
  ClientSession,
  ConnectionFailed,
  HttpHeaders,
  InvalidResponse,
  StatusError,
} from "@anyloop/http/client";
import { expect, test } from "vitest";
import { caught, each, eachOnUndici } from "./each-real.ts";
import { bodyOf, type Handler, rawServer, withServer } from "./servers.ts";

interface Echo {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

const echo: Handler = (request, response) => {
  void bodyOf(request).then((body) => {
    const { method, url, headers } = request;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ method, url, headers, body: body.toString("latin1") }));
  });
};

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
      const seen = yield* response.json<Echo>();
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
      const seen = yield* (yield* session[verb]("/")).json<Echo>();
      expect(seen.method).toBe(verb.toUpperCase());
    }
    const head = yield* session.head("/");
    expect(head.status).toBe(200);
    expect((yield* head.bytes()).length).toBe(0);
    expect((yield* (yield* session.request("PROPFIND", "/")).json<Echo>()).method).toBe("PROPFIND");
  }),
);

each("bodies: text, bytes, JSON, forms", () =>
  withServer(echo, function* (session) {
    const send = function* (options: Parameters<typeof session.post>[1]) {
      return yield* (yield* session.post("/", options)).json<Echo>();
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
    const seen = yield* (yield* session.post("/", { multipart: form })).json<Echo>();
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
      return yield* (yield* session.post("/", { body: receive })).json<Echo>();
    });
    expect(seen.body).toBe("one two three");
    const readable = Readable.from([new TextEncoder().encode("node")]) as AsyncIterable<Uint8Array>;
    expect((yield* (yield* session.put("/", { body: readable })).json<Echo>()).body).toBe("node");
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

each("a body comes as a stream of bytes, or of lines", () =>
  withServer(
    (_request, response) => {
      response.write("first\nsec");
      setTimeout(() => response.end("ond\r\nthird"), 10);
    },
    function* (session) {
      const lines: string[] = [];
      yield* forEach((yield* session.get("/")).lines(), (line) => void lines.push(line));
      expect(lines).toEqual(["first", "second", "third"]);
      const stream = (yield* session.get("/")).stream();
      expect((yield* stream.receive()).length).toBeGreaterThan(0);
      let rest = "";
      for (;;) {
        const piece = yield* stream.next();
        if (piece.done === true) break;
        rest += new TextDecoder().decode(piece.value);
      }
      expect(rest.endsWith("third")).toBe(true);
      expect(yield* caught(stream.receive())).toBeInstanceOf(EndOfStream);
    },
  ),
);

each("a stream that nobody reads holds the server up", () => {
  let written = 0;
  return withServer(
    (_request, response) => {
      const piece = Buffer.alloc(65_536);
      const more = (): void => {
        while (written < 1_000) {
          written++;
          if (!response.write(piece)) {
            response.once("drain", more);
            return;
          }
        }
        response.end();
      };
      more();
    },
    function* (session) {
      const stream = (yield* session.get("/")).stream();
      let bytes = (yield* stream.receive()).length;
      yield* sleep(100);
      expect(written).toBeLessThan(500);
      for (;;) {
        const piece = yield* stream.next();
        if (piece.done === true) break;
        bytes += piece.value.length;
      }
      expect(bytes).toBe(1_000 * 65_536);
    },
  );
});

each("a body is read once", () =>
  withServer(echo, function* (session) {
    const response = yield* session.get("/");
    yield* response.bytes();
    expect(yield* caught(response.text())).toBeInstanceOf(UsageError);
    expect(() => response.stream()).toThrow(UsageError);
  }),
);

each("what is no JSON is an error that says where it came from", () =>
  withServer(
    (_request, response) => response.end("<html>"),
    function* (session) {
      const error = yield* caught((yield* session.get("/page")).json());
      expect(error).toBeInstanceOf(InvalidResponse);
      expect(String(error)).toContain("/page");
    },
  ),
);

each("text is read in the character set that the answer names", () =>
  withServer(
    (_request, response) => {
      response.setHeader("content-type", "text/plain; charset=iso-8859-1");
      response.end(Buffer.from([0xe4, 0xf6]));
    },
    function* (session) {
      expect(yield* (yield* session.get("/")).text()).toBe("äö");
    },
  ),
);

each("a status of 400 or more is an answer, until it is asked to throw", () =>
  withServer(
    (_request, response) => {
      response.statusCode = 404;
      response.end("not here");
    },
    function* (session) {
      const response = yield* session.get("/x");
      expect(response.ok).toBe(false);
      let error: unknown;
      try {
        response.throwForStatus();
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(StatusError);
      expect((error as StatusError).status).toBe(404);
      expect(yield* (error as StatusError).response.text()).toBe("not here");
    },
  ),
);

each("more than maxBodyBytes is refused, and its connection closed", () =>
  withServer(
    (request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(10_000)));
        response.once("drain", more);
      };
      if (request.url === "/endless") more();
      else response.end(Buffer.alloc(2_001));
    },
    function* (session, server) {
      expect(yield* caught((yield* session.get("/")).bytes())).toBeInstanceOf(BodyTooLarge);
      expect(yield* caught((yield* session.get("/endless")).text())).toBeInstanceOf(BodyTooLarge);
      const stream = (yield* session.get("/endless", { maxBodyBytes: 100_000 })).stream();
      const error = yield* caught(forEach(stream, () => {}));
      expect(error).toBeInstanceOf(BodyTooLarge);
      expect((yield* (yield* session.get("/", { maxBodyBytes: 2_001 })).bytes()).length).toBe(2_001);
      while (server.open() > 1) yield* sleep(1);
      expect(session.statistics().active).toBe(0);
    },
    { maxBodyBytes: 2_000 },
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
    const seen = yield* (yield* session.get("/", { query: { "a\r\n": "b\r\n" } })).json<Echo>();
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

eachOnUndici("a connection that breaks says when", () =>
  use(
    rawServer((socket) => {
      socket.once("data", (data) => {
        if (String(data).startsWith("GET /half"))
          socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        setTimeout(() => socket.destroy(), 5);
      });
    }),
    (server) =>
      use(new ClientSession({ baseUrl: server.url }), function* (session) {
        const early = yield* caught(session.get("/"));
        expect(early).toBeInstanceOf(BrokenResourceError);
        expect(String(early)).toContain("before it was answered");
        const late = yield* caught((yield* session.get("/half")).text());
        expect(late).toBeInstanceOf(BrokenResourceError);
        expect(String(late)).toContain("in the middle");
        expect(session.statistics()).toMatchObject({ connections: 0, active: 0 });
      }),
  ),
);

eachOnUndici("what is no HTTP, and too many header bytes, are refused", () =>
  use(
    rawServer((socket) => {
      socket.once("data", (data) => {
        if (String(data).startsWith("GET /ssh")) socket.write("SSH-2.0-OpenSSH\r\n");
        else if (String(data).startsWith("GET /smuggle"))
          socket.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!");
        else
          for (let at = 0; at < 2_000; at++)
            socket.write(`${at === 0 ? "HTTP/1.1 200 OK\r\n" : ""}x-${String(at)}: ${"y".repeat(50)}\r\n`);
      });
    }),
    (server) =>
      use(new ClientSession({ baseUrl: server.url }), function* (session) {
        for (const path of ["/ssh", "/bomb", "/smuggle"]) {
          expect(yield* caught(session.get(path))).toBeInstanceOf(InvalidResponse);
        }
        expect(session.statistics()).toMatchObject({ connections: 0, active: 0 });
      }),
  ),
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
    expect((await response.json<Echo>()).body).toBe("async");
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
