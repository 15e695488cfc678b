import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { request as secureRequest } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { text as textOf } from "node:stream/consumers";
import { brotliDecompressSync, brotliCompressSync, gzipSync } from "node:zlib";
import {
  type Coroutine,
  Event,
  fromPromise,
  memoryStream,
  shield,
  sleep,
  sleepForever,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import {
  type AccessEntry,
  accessLine,
  Application,
  HttpError,
  Router,
  ServerResponse,
  StorageKey,
} from "@anyloop/http/server";
import { Hono } from "hono";
import { request as undiciRequest } from "undici";
import { expect, test } from "vitest";
import { authority, certificate, key } from "./certificates.ts";
import { caught, each } from "./each.ts";
import { ask, comes, curl, dial, talk, untilClosed, withServer } from "./serving.ts";

// Routes.

test("a route that is there already, or cannot be, is refused when it is written down", () => {
  const router = new Router();
  const nothing = (): ServerResponse => ServerResponse.empty();
  router.get("/a/:id", nothing);
  expect(() => router.get("/a/:id", nothing)).toThrow(UsageError);
  expect(() => router.post("/a/:name", nothing)).toThrow(/one set of names/);
  expect(() => router.get("b", nothing)).toThrow(/must begin with/);
  expect(() => router.get("/:a/:a", nothing)).toThrow(/name of its own/);
  expect(() => router.get("/*rest/more", nothing)).toThrow(/nothing can come behind/);
  expect(() => router.get("/c", undefined as never)).toThrow(UsageError);
  expect(() => router.static("/s", "/no/such/directory")).toThrow(/no directory/);
});

each("text wins over a parameter, and a parameter over the rest, whatever came first", function* () {
  const app = new Application();
  for (const pattern of ["/*rest", "/a/*rest", "/a/:id", "/a/:id/c", "/a/b", "/a/:id/*rest"] as const) {
    app.get(pattern, ({ params }) => ServerResponse.json([pattern, params]));
  }
  yield* withServer(app, function* ({ url }) {
    const found: unknown[] = [];
    for (const asked of ["/a/b", "/a/x", "/a/b/c", "/a/b/d/e", "/z", "/a/"]) {
      found.push(JSON.parse((yield* ask(url + asked)).text));
    }
    expect(found).toEqual([
      ["/a/b", {}],
      ["/a/:id", { id: "x" }],
      ["/a/:id/c", { id: "b" }],
      ["/a/:id/*rest", { id: "b", rest: "d/e" }],
      ["/*rest", { rest: "z" }],
      ["/a/*rest", { rest: "" }],
    ]);
  });
});

const user = new StorageKey<string>("user");

each("middleware surrounds its router, its groups and what is not there, in both styles", function* () {
  const steps: string[] = [];
  const app = new Application()
    .use(function* (request, next) {
      steps.push(`outer ${request.path}`);
      const response = yield* next();
      response.headers.set("x-outer", "1");
      steps.push(`outer ${String(response.status)}`);
      return response;
    })
    .group("/users/:id", (users) =>
      users
        .get("/posts/:post", function* ({ params, storage }) {
          return ServerResponse.text(`${params.id} ${params.post} ${storage.get(user)}`);
        })
        .use(async (request, next) => {
          await sleep(1);
          if (request.header("authorization") === undefined) throw new HttpError(401);
          request.storage.set(user, "Ann");
          const response = await next();
          return response;
        }),
    );
  yield* withServer(app, function* ({ url }) {
    const granted = yield* ask(`${url}/users/7/posts/8`, { headers: { authorization: "x" } });
    expect(granted).toMatchObject({ status: 200, text: "7 8 Ann" });
    expect(granted.headers["x-outer"]).toBe("1");
    expect((yield* ask(`${url}/users/7/posts/8`)).status).toBe(401);
    expect((yield* ask(`${url}/none`)).status).toBe(404);
  });
  expect(steps.filter((step) => step.includes("none"))).toHaveLength(1);
});

// Bodies.

each("a form, cookies, header fields that come twice, and the URL", function* () {
  const app = new Application().post("/form", function* (request) {
    const form = yield* request.form();
    return ServerResponse.json([form.get("a"), request.cookies, request.header("X-Two"), request.url]);
  });
  yield* withServer(app, function* (serving) {
    const { url } = serving;
    const answer = yield* curl(
      "-d",
      "a=1+2%26",
      "-b",
      "c=%C3%A9; d=e",
      "-H",
      "X-Two: 1",
      "-H",
      "X-Two: 2",
      `${url}/form?x`,
    );
    expect(JSON.parse(answer)).toEqual(["1 2&", { c: "é", d: "e" }, "1, 2", `${url}/form?x`]);
    expect((yield* ask(`${url}/form`, { method: "POST", body: "a=1" })).status).toBe(415);
  });
});

each("a body that is no JSON is a 400; one read twice is an error", function* () {
  const app = new Application()
    .post("/", function* (request) {
      return ServerResponse.json(yield* request.json());
    })
    .post("/twice", function* (request) {
      const first = yield* request.text();
      return ServerResponse.json([first, yield* request.text()]);
    });
  yield* withServer(app, function* ({ url }) {
    expect(yield* ask(url, { method: "POST", body: "{" })).toMatchObject({
      status: 400,
      text: /no valid JSON/ as never,
    });
    expect((yield* ask(`${url}/twice`, { method: "POST", body: "x" })).text).toBe('["x",""]');
  });
});

each("a large body comes piece by piece, and goes back as fast as the client takes it", function* () {
  const app = new Application().post("/", (request) => ServerResponse.stream(request.body), {
    bodySize: 50_000_000,
  });
  const data = new Uint8Array(8_000_000).map((_, index) => index % 251);
  yield* withServer(app, function* ({ url }) {
    const { body } = yield* fromPromise(undiciRequest(url, { method: "POST", body: data }));
    const back = new Uint8Array(yield* fromPromise(body.arrayBuffer()));
    expect(Buffer.compare(back, data)).toBe(0);
  });
});

each("a client waits for a handler that does not read yet", function* () {
  const size = 40_000_000;
  const read = new Event();
  const app = new Application().post(
    "/",
    function* (request) {
      yield* read.wait();
      return ServerResponse.text(String((yield* request.bytes()).length));
    },
    { bodySize: size },
  );
  yield* withServer(app, function* (serving) {
    const socket = dial(serving);
    socket.write(
      `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${String(size)}\r\n\r\n`,
    );
    let taken = 0;
    const piece = new Uint8Array(100_000);
    for (let index = 0; index < size / piece.length; index++) socket.write(piece, () => taken++);
    for (let before = -1; before < taken;) {
      before = taken;
      yield* sleep(100);
    }
    expect(taken * piece.length).toBeLessThan(size / 2);
    read.set();
    expect(yield* fromPromise(untilClosed(socket))).toMatch(/40000000$/);
  });
});

each("a stream waits for its client", function* () {
  let written = 0;
  const piece = new Uint8Array(65_536);
  const app = new Application().get("/", () =>
    ServerResponse.stream(function* (write) {
      for (let index = 0; index < 400; index++) {
        yield* write(piece);
        written += piece.length;
      }
    }),
  );
  yield* withServer(app, function* (serving) {
    const socket = dial(serving);
    socket.pause();
    socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    for (let before = -1; before < written;) {
      before = written;
      yield* sleep(100);
    }
    expect(written).toBeLessThan(200 * piece.length);
    const rest = untilClosed(socket);
    socket.resume();
    expect((yield* fromPromise(rest)).length).toBeGreaterThan(400 * piece.length);
    expect(written).toBe(400 * piece.length);
  });
});

each("streams of every kind are sent, and closed", function* () {
  const closed: string[] = [];
  const app = new Application()
    .get("/body", () =>
      ServerResponse.stream(async (write) => {
        await write("one ");
        await sleep(1);
        await write("two");
      }),
    )
    .get("/receiver", function* () {
      const [send, receive] = memoryStream<string>(2);
      yield* send.send("one ");
      yield* send.send("two");
      yield* send.close();
      const close = receive.close.bind(receive);
      receive.close = () => (closed.push("receiver"), close());
      return ServerResponse.stream(receive);
    })
    .get("/readable", () => {
      const pieces = ["one ", "two"].map((text) => new TextEncoder().encode(text));
      return ServerResponse.stream(
        new ReadableStream<Uint8Array>({
          pull(controller) {
            const piece = pieces.shift();
            if (piece === undefined) controller.close();
            else controller.enqueue(piece);
          },
        }),
      );
    });
  yield* withServer(app, function* ({ url }) {
    for (const kind of ["body", "receiver", "readable"]) {
      expect((yield* ask(`${url}/${kind}`)).text).toBe("one two");
      expect((yield* ask(`${url}/${kind}`, { method: "HEAD" })).text).toBe("");
    }
  });
  expect(closed).toEqual(["receiver", "receiver"]);
});

each(
  "a stream that fails in the midst cuts the connection, so that nobody takes a part for the whole",
  function* () {
    const broken = new Error("half way");
    const reported: unknown[] = [];
    const app = new Application().get("/", () =>
      ServerResponse.stream(function* (write) {
        yield* write("half");
        throw broken;
      }),
    );
    yield* withServer(
      app,
      function* ({ url }) {
        expect(yield* caught(ask(url))).toMatchObject({ code: "ECONNRESET" });
      },
      { onError: (error) => reported.push(error) },
    );
    expect(reported).toEqual([broken]);
  },
);

each("the parts of a form come one by one, files as streams", function* () {
  const app = new Application()
    .post(
      "/",
      function* (request) {
        const parts: unknown[] = [];
        yield* request.multipart(function* (part) {
          if (part.name === "skipped") return;
          const length = part.filename === undefined ? yield* part.text() : (yield* part.bytes()).length;
          parts.push([part.name, part.filename, part.type, length]);
        });
        return ServerResponse.json(parts);
      },
      { bodySize: 10_000_000 },
    )
    .post("/small", function* (request) {
      yield* request.multipart((part) => part.bytes(), { partSize: 10, parts: 2 });
      return ServerResponse.empty();
    })
    .post("/fails", function* (request) {
      yield* request.multipart(() => {
        throw new HttpError(409);
      });
      return ServerResponse.empty();
    });
  yield* withServer(app, function* ({ url }) {
    const form = new FormData();
    form.set("title", "grüße");
    form.set("file", new Blob(["x".repeat(3_000_000)], { type: "text/plain" }), "../a.txt");
    form.set("skipped", new Blob(["y".repeat(1_000_000)]), "b.bin");
    form.set("last", "1");
    const response = yield* fromPromise(fetch(url, { method: "POST", body: form }));
    expect(yield* fromPromise(response.json())).toEqual([
      ["title", null, "text/plain", "grüße"],
      ["file", "a.txt", "text/plain", 3_000_000],
      ["last", null, "text/plain", "1"],
    ]);
    const post = (path: string, ...options: string[]): ReturnType<typeof curl> =>
      curl("-o", "/dev/null", "-w", "%{http_code}", ...options, url + path);
    expect(yield* post("/small", "-F", "a=123456789", "-F", "b=2")).toBe("204");
    expect(yield* post("/small", "-F", "a=12345678901")).toBe("413");
    expect(yield* post("/small", "-F", "a=1", "-F", "b=2", "-F", "c=3")).toBe("413");
    expect(yield* post("/fails", "-F", "a=1", "-F", "b=2")).toBe("409");
    expect(yield* post("/small", "-d", "a=1")).toBe("415");
    const type = "Content-Type: multipart/form-data; boundary=x";
    expect(
      yield* post("/small", "-H", type, "-d", "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nhal"),
    ).toBe("400");
  });
});

// Files.

each("files have a type, an ETag, parts, and compressed versions for who takes them", function* () {
  const root = mkdtempSync(path.join(tmpdir(), "anyloop-static-"));
  const script = "console.log(1);\n".repeat(10_000);
  mkdirSync(path.join(root, "docs"));
  writeFileSync(path.join(root, "app.js"), script);
  writeFileSync(path.join(root, "app.js.br"), brotliCompressSync(script));
  writeFileSync(path.join(root, "app.js.gz"), gzipSync(script));
  writeFileSync(path.join(root, "a b.txt"), "0123456789");
  writeFileSync(path.join(root, "empty"), "");
  writeFileSync(path.join(root, "docs", "index.html"), "<p>docs");
  utimesSync(path.join(root, "a b.txt"), 1_700_000_000, 1_700_000_000);
  const app = new Application().static("/files", root, { cacheControl: "max-age=60" });
  try {
    yield* withServer(app, function* ({ url }) {
      const base = `${url}/files`;
      const plain = yield* ask(`${base}/a%20b.txt`);
      expect(plain).toMatchObject({ status: 200, text: "0123456789" });
      expect(plain.headers).toMatchObject({
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "max-age=60",
        "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT",
        "accept-ranges": "bytes",
      });
      const etag = plain.headers["etag"] ?? "";
      const get = (headers: Record<string, string>): ReturnType<typeof ask> =>
        ask(`${base}/a%20b.txt`, { headers });
      expect(yield* get({ "if-none-match": `"x", W/${etag}` })).toMatchObject({ status: 304, text: "" });
      expect((yield* get({ "if-modified-since": "Tue, 14 Nov 2023 22:13:20 GMT" })).status).toBe(304);
      expect((yield* get({ "if-modified-since": "Tue, 14 Nov 2023 22:13:19 GMT" })).status).toBe(200);
      const part = yield* get({ range: "bytes=2-4" });
      expect(part).toMatchObject({ status: 206, text: "234" });
      expect(part.headers["content-range"]).toBe("bytes 2-4/10");
      expect((yield* get({ range: "bytes=-3" })).text).toBe("789");
      expect((yield* get({ range: "bytes=8-99" })).text).toBe("89");
      expect((yield* get({ range: "bytes=0-1,3-4" })).status).toBe(200);
      expect((yield* get({ range: "bytes=2-4", "if-range": '"other"' })).status).toBe(200);
      expect((yield* get({ range: "bytes=2-4", "if-range": etag })).status).toBe(206);
      const outside = yield* get({ range: "bytes=10-" });
      expect(outside.status).toBe(416);
      expect(outside.headers["content-range"]).toBe("bytes */10");
      const head = yield* ask(`${base}/a%20b.txt`, { method: "HEAD" });
      expect(head).toMatchObject({ status: 200, text: "" });
      expect(head.headers["content-length"]).toBe("10");

      expect((yield* ask(`${base}/app.js`)).text).toBe(script);
      expect(yield* curl("--compressed", "-H", "Accept-Encoding: gzip;q=1, br;q=0", `${base}/app.js`)).toBe(
        script,
      );
      const packed = yield* ask(`${base}/app.js`, { headers: { "accept-encoding": "gzip, br" } });
      expect(packed.headers).toMatchObject({ "content-encoding": "br", vary: "accept-encoding" });
      expect(packed.headers["content-type"]).toBe("text/javascript; charset=utf-8");
      expect(brotliDecompressSync(packed.bytes).toString()).toBe(script);
      expect(packed.headers["etag"]).not.toBe((yield* ask(`${base}/app.js`)).headers["etag"]);

      expect((yield* ask(`${base}/docs/`)).text).toBe("<p>docs");
      const moved = yield* ask(`${base}/docs`);
      expect(moved).toMatchObject({ status: 301 });
      expect(moved.headers.location).toBe("/files/docs/");
      expect(yield* ask(`${base}/empty`)).toMatchObject({ status: 200, text: "" });
      expect((yield* ask(`${base}/none`)).status).toBe(404);
      expect((yield* ask(`${base}/`)).status).toBe(404);
      expect((yield* ask(`${base}/app.js`, { method: "POST" })).status).toBe(405);
    });
  } finally {
    rmSync(root, { recursive: true });
  }
});

// The Fetch standard.

each("a Hono app is mounted, and any handler of the Fetch standard", function* () {
  const hono = new Hono()
    .get("/users/:id", (context) => context.json({ id: context.req.param("id"), q: context.req.query("q") }))
    .post("/echo", async (context) => {
      context.header("set-cookie", "a=1", { append: true });
      context.header("set-cookie", "b=2", { append: true });
      return context.text((await context.req.text()).toUpperCase(), 201);
    })
    .get("/", (context) => context.text("root"));
  const app = new Application()
    .mount("/hono", hono.fetch)
    .mount("/plain", async (request) => {
      await Promise.resolve();
      return new Response(request.body, { headers: { "x-url": request.url } });
    })
    .get("/native", () => Response.json({ native: true }));
  yield* withServer(app, function* ({ url }) {
    expect((yield* ask(`${url}/hono/users/7?q=x`)).text).toBe('{"id":"7","q":"x"}');
    expect((yield* ask(`${url}/hono`)).text).toBe("root");
    const echo = yield* ask(`${url}/hono/echo`, { method: "POST", body: "abc" });
    expect(echo).toMatchObject({ status: 201, text: "ABC" });
    expect(echo.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    expect((yield* ask(`${url}/hono/none`)).status).toBe(404);
    const body = "x".repeat(500_000);
    const streamed = yield* ask(`${url}/plain/a?b`, { method: "POST", body });
    expect(streamed.text).toBe(body);
    expect(streamed.headers["x-url"]).toBe(`${url}/a?b`);
    expect(yield* ask(`${url}/plain/a`, { method: "POST", body: "x".repeat(1_200_000) })).toMatchObject({
      status: 413,
    });
    expect((yield* ask(`${url}/native`)).text).toBe('{"native":true}');
  });
});

test("a response is seen as the Fetch standard has it", async () => {
  const response = ServerResponse.json({ a: 1 }, { status: 201, headers: { "x-a": "b" } }).toFetch();
  expect([response.status, response.headers.get("x-a"), response.headers.get("content-type")]).toEqual([
    201,
    "b",
    "application/json",
  ]);
  expect(await response.json()).toEqual({ a: 1 });
  expect(() => ServerResponse.stream(function* () {}).toFetch()).toThrow(UsageError);
});

// Connections.

each(
  "a connection that asks for another protocol is the handler's, under the connection's scope",
  function* () {
    const steps: string[] = [];
    const app = new Application()
      .upgrade("/echo/:name", function* ({ request, socket, head, raw }) {
        expect(raw.headers.upgrade).toBe("echo");
        if (request.params.name === "stranger") throw new HttpError(403);
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n${head.toString()}`,
        );
        socket.on("data", (piece: Buffer) => socket.write(`${request.params.name}: ${piece.toString()}`));
        try {
          yield* sleepForever();
        } finally {
          yield* shield(sleep(1));
          steps.push("ended");
        }
      })
      .get("/plain", () => ServerResponse.text("plain"));
    const asks = "Host: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    yield* withServer(
      app,
      function* (serving) {
        const socket = dial(serving);
        socket.write(`GET /echo/ann HTTP/1.1\r\n${asks}early`);
        yield* comes(socket, /early$/);
        socket.write("hello");
        yield* comes(socket, /ann: hello$/);
        expect(serving.statistics()).toMatchObject({ connections: 1, active: 1 });
        expect(yield* talk(serving, `GET /echo/stranger HTTP/1.1\r\n${asks}`)).toMatch(
          /^HTTP\/1.1 403 [^]*connection: close/,
        );
        expect((yield* ask(`${serving.url}/echo/ann`)).status).toBe(426);
      },
      { shutdownTime: 20 },
    );
    expect(steps).toEqual(["ended"]);
  },
);

each("what stands around such a route may answer in its place, in any way", function* () {
  const app = new Application()
    .use(function* (request, next) {
      const { query } = request;
      if (query.has("bytes")) return ServerResponse.bytes(new TextEncoder().encode("bytes"));
      if (query.has("stream")) return ServerResponse.stream((write) => write("x".repeat(300_000)));
      if (query.has("fetch")) return new Response("fetch", { status: 401 });
      return yield* next();
    })
    .upgrade("/", () => {
      throw new Error("Nobody gets here.");
    });
  yield* withServer(app, function* (serving) {
    const asks = "HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    const answers: string[] = [];
    for (const way of ["bytes", "stream", "fetch"]) {
      // What it says already is for the other protocol, and nobody reads it.
      answers.push(yield* talk(serving, `GET /?${way} ${asks}early`));
    }
    expect(answers[0]).toMatch(/^HTTP\/1.1 200 OK[^]*content-length: 5[^]*\r\n\r\nbytes$/);
    expect(answers[1]).toMatch(/^HTTP\/1.1 200 OK[^]*connection: close[^]*\r\n\r\nx{300000}$/);
    expect(answers[2]).toMatch(/^HTTP\/1.1 401 Unauthorized[^]*\r\n\r\nfetch$/);
  });
});

each("who offers a protocol that is not spoken here is served as if it had not", function* () {
  const app = new Application().get("/", () => ServerResponse.text("plain"));
  yield* withServer(app, function* (serving) {
    const head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\n";
    const answer = yield* talk(serving, `${head}Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 200 OK[^]*\r\n\r\nplain$/);
    expect(yield* curl("--http2", serving.url)).toBe("plain");
  });
});

each("HTTPS", function* () {
  const app = new Application().get("/", (request) =>
    ServerResponse.text(`${String(request.isSecure)} ${request.url}`),
  );
  yield* withServer(
    app,
    function* (serving) {
      const { port } = serving.address ?? { port: 0 };
      expect(serving.url).toBe(`https://127.0.0.1:${String(port)}`);
      const answer = yield* fromPromise(
        new Promise<string>((resolve, reject) => {
          const request = secureRequest(
            `https://localhost:${String(port)}/`,
            { ca: authority, host: "127.0.0.1", servername: "localhost", agent: false },
            (response) => void textOf(response).then(resolve, reject),
          );
          request.on("error", reject).end();
        }),
      );
      expect(answer).toBe(`true https://localhost:${String(port)}/`);
      // Whoever does not speak TLS gets nothing, and disturbs nobody.
      expect(yield* talk(serving, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")).not.toContain("200");
    },
    { tls: { key, cert: certificate } },
  );
});

each("a Unix socket", function* () {
  const directory = mkdtempSync(path.join(tmpdir(), "anyloop-http-"));
  const file = path.join(directory, "socket");
  try {
    yield* withServer(
      new Application().get("/", () => ServerResponse.text("unix")),
      function* () {
        expect(yield* curl("--unix-socket", file, "http://localhost/")).toBe("unix");
      },
      { path: file, host: undefined },
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

each("every request is logged once it is over, also one whose client has gone", function* () {
  const entries: AccessEntry[] = [];
  const lines: string[] = [];
  const entered = new Event();
  const app = new Application()
    .get("/", () => ServerResponse.text("hello"))
    .get(
      "/waits",
      function* () {
        entered.set();
        yield* sleepForever();
        return ServerResponse.empty();
      },
      { cancelOnDisconnect: true },
    );
  yield* withServer(
    app,
    function* (serving) {
      yield* ask(`${serving.url}/`);
      yield* ask(`${serving.url}/none`);
      const socket = dial(serving);
      socket.write("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
      yield* entered.wait();
      socket.destroy();
      while (entries.length < 3) yield* sleep(1);
    },
    {
      accessLog: (entry) => {
        entries.push(entry);
        lines.push(accessLine(entry));
      },
    },
  );
  expect(entries.map(({ status, bytes }) => [status, bytes])).toEqual([
    [200, 5],
    [404, 10],
    [499, 0],
  ]);
  expect(lines[0]).toMatch(
    /^127\.0\.0\.1 - - \[\d{4}-\d\d-\d\dT[\d:.]+Z\] "GET \/ HTTP\/1\.1" 200 5 \d+\.\dms$/,
  );
});

each("a stream that was begun before the end closes its connection behind it", function* () {
  const app = new Application().get("/", (request) =>
    ServerResponse.stream(function* (write) {
      yield* write("begun ");
      yield* request.stopping.wait();
      yield* write("done");
    }),
  );
  yield* withServer(
    app,
    function* (serving) {
      const socket = dial(serving);
      socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      yield* comes(socket, /begun/);
      serving.stop();
      expect(yield* fromPromise(untilClosed(socket))).toMatch(/done\r\n0\r\n\r\n$/);
    },
    { shutdownTime: 60_000 },
  );
});

each("what streams for ever ends when the server is to end", function* () {
  const app = new Application().get("/", (request) =>
    ServerResponse.stream(function* (write) {
      yield* taskGroup(function* (group): Coroutine<void> {
        group.startSoon(
          function* () {
            for (;;) {
              yield* write("tick ");
              yield* sleep(1);
            }
          },
          { daemon: true },
        );
        yield* request.stopping.wait();
      });
      yield* write("bye");
    }),
  );
  yield* withServer(app, function* (serving) {
    const socket = dial(serving);
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    yield* comes(socket, /tick/);
    const rest = untilClosed(socket);
    serving.stop();
    expect(yield* fromPromise(rest)).toMatch(/bye\r\n0\r\n\r\n$/);
  });
});
