/** Connections of other kinds, what is told of them, and how those end that would not. */
import { mkdtempSync, rmSync } from "node:fs";
import { request as secureRequest } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { text as textOf } from "node:stream/consumers";
import { type Coroutine, Event, fromPromise, shield, sleep, sleepForever, taskGroup } from "@anyloop/core";
import { type AccessEntry, accessLine, Application, HttpError, ServerResponse } from "@anyloop/http/server";
import { expect } from "vitest";
import { authority, certificate, key } from "../../../../tools/test-support/certificates.ts";
import { each } from "../../../../tools/test-support/each-real.ts";
import { ask, comes, curl, dial, talk, untilClosed, withServer } from "./serving.ts";

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
