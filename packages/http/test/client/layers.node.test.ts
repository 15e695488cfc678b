/** Redirects, cookies, authentication, retries, middleware, tracing and decompression. */
import { createHash } from "node:crypto";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { type Coroutine, sleep, use } from "@anyloop/core";
import {
  BodyTooLarge,
  ClientSession,
  ConnectionFailed,
  DecompressionFailed,
  type ClientMiddleware,
  RedirectError,
  TotalTimeout,
  type Trace,
} from "@anyloop/http/client";
import { CookieJar } from "tough-cookie";
import { expect, test } from "vitest";
import { caught, each, eachOnUndici, isBun } from "./each-real.ts";
import { bodyOf, type Handler, httpServer, withServer } from "./servers.ts";

/** `/302/where` redirects there; other paths tell what they were asked. */
const redirecting: Handler = (request, response) => {
  const [, status, location] = /^\/(30\d)\/(.*)$/.exec(request.url ?? "") ?? [];
  if (status !== undefined) {
    response.writeHead(Number(status), { location: location ?? "" }).end("moved");
    return;
  }
  void bodyOf(request).then((body) => {
    const { method, url, headers } = request;
    response.end(JSON.stringify({ method, url, headers, body: body.toString() }));
  });
};

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

each("redirects are followed, and told", () =>
  withServer(redirecting, function* (session, server) {
    const response = yield* session.get("/302//301//a?b");
    expect(response.url).toBe(`${server.url}/a?b`);
    expect(response.history.map(({ status, url }) => [status, url])).toEqual([
      [302, `${server.url}/302//301//a?b`],
      [301, `${server.url}/301//a?b`],
    ]);
    expect((yield* response.json<Seen>()).url).toBe("/a?b");
    const unfollowed = yield* session.get("/302//a", { maxRedirects: 0 });
    expect(unfollowed.status).toBe(302);
    expect(yield* unfollowed.text()).toBe("moved");
  }),
);

each("303, and 301 or 302 after POST, become GET; 307 and 308 send the same again", () =>
  withServer(redirecting, function* (session) {
    const send = function* (status: number, method: string): Coroutine<Seen> {
      return yield* (yield* session.request(method, `/${String(status)}//x`, { json: 1 })).json<Seen>();
    };
    for (const [status, method, then] of [
      [301, "POST", "GET"],
      [302, "POST", "GET"],
      [303, "PUT", "GET"],
      [302, "PUT", "PUT"],
      [307, "POST", "POST"],
      [308, "POST", "POST"],
    ] as const) {
      const seen = yield* send(status, method);
      expect([status, method, seen.method]).toEqual([status, method, then]);
      expect(seen.body).toBe(then === "GET" ? "" : "1");
      expect(seen.headers["content-type"]).toBe(then === "GET" ? undefined : "application/json");
    }
  }),
);

each("a circle of redirects ends, a redirect to elsewhere than HTTP is refused", () =>
  withServer(
    (request, response) => {
      const location =
        request.url === "/file" ? "file:///etc/passwd" : request.url === "/none" ? "http://[" : "/circle";
      response.writeHead(302, { location }).end();
    },
    function* (session) {
      const error = yield* caught(session.get("/circle"));
      expect(error).toBeInstanceOf(RedirectError);
      expect(String(error)).toContain("10 redirects");
      expect(yield* caught(session.get("/file"))).toBeInstanceOf(RedirectError);
      expect(yield* caught(session.get("/none"))).toBeInstanceOf(RedirectError);
    },
  ),
);

each("a redirected stream cannot be sent again", () =>
  withServer(redirecting, function* (session) {
    const body = (async function* () {
      yield new Uint8Array(1);
    })();
    const error = yield* caught(session.put("/307//x", { body }));
    expect(error).toBeInstanceOf(RedirectError);
    expect(String(error)).toContain("stream");
  }),
);

each("credentials and cookies stay with their origin", () =>
  use(httpServer(redirecting), (other) =>
    withServer(
      redirecting,
      function* (session, server) {
        const headers = { authorization: "Bearer secret", cookie: "a=1", "x-kept": "1" };
        const crossing = yield* session.get(`/307/${other.url}/x`, { headers });
        const seen = yield* crossing.json<Seen>();
        expect(crossing.url).toBe(`${other.url}/x`);
        expect(seen.headers).toMatchObject({ "x-kept": "1" });
        expect(seen.headers).not.toHaveProperty("authorization");
        expect(seen.headers).not.toHaveProperty("cookie");
        const staying = yield* (yield* session.get("/307//x", { headers })).json<Seen>();
        expect(staying.headers).toMatchObject(headers);
        const basic = yield* (yield* session.get(`/307/${other.url}/x`)).json<Seen>();
        expect(basic.headers).not.toHaveProperty("authorization");
        const elsewhere = yield* (yield* session.get(`${other.url}/x`)).json<Seen>();
        expect(elsewhere.headers).not.toHaveProperty("authorization");
        const here = yield* (yield* session.get(`${server.url}/x`)).json<Seen>();
        expect(here.headers["authorization"]).toBe(`Basic ${btoa("me:pass")}`);
      },
      { auth: { scheme: "basic", username: "me", password: "pass" } },
    ),
  ),
);

const cookieServer: Handler = (request, response) => {
  if (request.url === "/set") {
    response.setHeader("set-cookie", [
      "a=1; Path=/",
      "b=2; Path=/only",
      "c=3; Domain=example.com",
      "nonsense",
    ]);
  }
  if (request.url === "/redirect") response.writeHead(302, { location: "/", "set-cookie": "d=4" });
  response.end(request.headers.cookie ?? "none");
};

eachOnUndici("cookies are kept and sent back, where they belong", () =>
  withServer(cookieServer, function* (session) {
    const cookies = function* (path: string): Coroutine<string> {
      return yield* (yield* session.get(path)).text();
    };
    expect(yield* cookies("/")).toBe("none");
    expect(yield* cookies("/set")).toBe("none");
    expect(yield* cookies("/")).toBe("a=1");
    expect(yield* cookies("/only")).toBe("b=2; a=1");
    expect(yield* cookies("/redirect")).toContain("d=4");
    const own = yield* session.get("/", { headers: { cookie: "x=9" } });
    expect(yield* own.text()).toBe("x=9; a=1; d=4");
    expect(session.defaultsFor("/").headers.get("cookie")).toBe("a=1; d=4");
  }),
);

eachOnUndici("a jar of one's own, or none", () =>
  use(httpServer(cookieServer), function* (server) {
    const cookies = new CookieJar();
    yield* use(new ClientSession({ baseUrl: server.url, cookies }), function* (session) {
      yield* session.get("/set");
    });
    expect(cookies.getCookieStringSync(server.url)).toBe("a=1");
    yield* use(new ClientSession({ baseUrl: server.url, cookies: false }), function* (session) {
      yield* session.get("/set");
      expect(yield* (yield* session.get("/")).text()).toBe("none");
    });
  }),
);

each("basic authentication: by option, or by URL", () =>
  withServer(redirecting, function* (session, server) {
    const auth = { scheme: "basic", username: "ä", password: "p:w" } as const;
    const seen = yield* (yield* session.get("/", { auth })).json<Seen>();
    expect(seen.headers["authorization"]).toBe(`Basic ${Buffer.from("ä:p:w").toString("base64")}`);
    const inUrl = yield* session.get(server.url.replace("//", "//me:p%40ss@"));
    expect(inUrl.url).not.toContain("me");
    expect((yield* inUrl.json<Seen>()).headers["authorization"]).toBe(`Basic ${btoa("me:p@ss")}`);
  }),
);

for (const [algorithm, name] of [
  ["MD5", "md5"],
  ["SHA-256", "sha256"],
  ["SHA-256-sess", "sha256"],
] as const) {
  each(`digest authentication, ${algorithm}`, () => {
    const hash = (text: string): string => createHash(name).update(text).digest("hex");
    let challenges = 0;
    return withServer(
      (request, response) => {
        const answer = request.headers.authorization ?? "";
        const field = (key: string): string => new RegExp(`\\b${key}="?([^",]*)`).exec(answer)?.[1] ?? "";
        let secret = hash("me:the realm:pass");
        if (algorithm.endsWith("sess")) secret = hash(`${secret}:N1:${field("cnonce")}`);
        const what = hash(`${request.method ?? ""}:${request.url ?? ""}`);
        const expected = hash(`${secret}:N1:${field("nc")}:${field("cnonce")}:auth:${what}`);
        if (field("response") === expected && field("uri") === request.url && field("opaque") === "O") {
          response.end(field("nc"));
          return;
        }
        challenges++;
        response.writeHead(401, {
          "www-authenticate": `Basic realm="x", Digest realm="the realm", nonce="N1", opaque="O", qop="auth, auth-int", algorithm=${algorithm}`,
        });
        response.end();
      },
      function* (session) {
        const auth = { scheme: "digest", username: "me", password: "pass" } as const;
        const first = yield* session.get("/a?b=c", { auth });
        expect([first.status, yield* first.text()]).toEqual([200, "00000001"]);
        const second = yield* session.post("/d", { auth, body: "x" });
        expect([second.status, yield* second.text()]).toEqual([200, "00000002"]);
        expect(challenges).toBe(1);
        expect((yield* session.get("/", { auth: { ...auth, password: "wrong" } })).status).toBe(401);
      },
    );
  });
}

each("retries: what may pass, of methods that may be repeated", () => {
  let count = 0;
  const times: number[] = [];
  return withServer(
    (request, response) => {
      times.push(performance.now());
      const status = request.url === "/503" && count++ < 2 ? 503 : request.url === "/404" ? 404 : 200;
      if (request.url === "/after" && count++ < 1) response.writeHead(429, { "retry-after": "1" });
      else if (request.url === "/patience") response.writeHead(429, { "retry-after": "3600" });
      else response.statusCode = status;
      response.end("x");
    },
    function* (session) {
      expect((yield* session.get("/503")).status).toBe(200);
      expect(count).toBe(3);
      count = 0;
      expect((yield* session.post("/503", { body: "once" })).status).toBe(503);
      expect(count).toBe(1);
      count = 0;
      times.length = 0;
      expect((yield* session.get("/404")).status).toBe(404);
      expect(times.length).toBe(1);
      times.length = 0;
      expect((yield* session.get("/after")).status).toBe(200);
      expect((times[1] as number) - (times[0] as number)).toBeGreaterThan(990);
      expect((yield* session.get("/patience")).status).toBe(429);
      const refused = yield* caught(session.get("http://127.0.0.1:1/"));
      expect(refused).toBeInstanceOf(ConnectionFailed);
    },
    { retry: { limit: 2, backoff: 2 } },
  );
});

each("retries end with the time limit of the whole", () =>
  withServer(
    (_request, response) => response.writeHead(503).end(),
    function* (session) {
      const started = performance.now();
      const response = yield* session.get("/", { retry: { limit: 100, backoff: 20 }, timeout: 150 });
      expect(response.status).toBe(503);
      expect(performance.now() - started).toBeLessThan(400);
    },
  ),
);

each("middleware: outermost first, in either style, may answer twice or not at all", () => {
  const log: string[] = [];
  const generator: ClientMiddleware = function* (request, next) {
    log.push("generator in");
    request.headers.set("x-one", "1");
    const response = yield* next(request);
    log.push("generator out");
    return response;
  };
  const asyncStyle: ClientMiddleware = async (request, next) => {
    log.push("async in");
    const response = await next(request.with({ url: "/changed" }));
    log.push("async out");
    return response;
  };
  return withServer(
    redirecting,
    function* (session) {
      const seen = yield* (yield* session.get("/original")).json<Seen>();
      expect(seen.url).toBe("/changed");
      expect(seen.headers["x-one"]).toBe("1");
      expect(log).toEqual(["generator in", "async in", "async out", "generator out"]);
    },
    { middleware: [generator, asyncStyle] },
  );
});

each("what a middleware throws is what the request throws", () =>
  withServer(
    redirecting,
    function* (session) {
      expect(String(yield* caught(session.get("/")))).toBe("Error: refused");
      expect(session.statistics().active).toBe(0);
    },
    {
      middleware: [
        function* () {
          yield* sleep(0);
          throw new Error("refused");
        },
      ],
    },
  ),
);

eachOnUndici("tracing: each step of a request, in order", () => {
  const events: string[] = [];
  const hooks = [
    "queued",
    "reused",
    "connecting",
    "connected",
    "requestSent",
    "firstByte",
    "ended",
    "failed",
    "redirected",
  ];
  const trace = Object.fromEntries(
    hooks.map((hook) => [
      hook,
      (request: { url: string }, time: number) => {
        expect(time).toBeGreaterThan(0);
        events.push(`${hook} ${new URL(request.url).pathname}`);
      },
    ]),
  ) as Trace;
  return withServer(
    redirecting,
    function* (session) {
      yield* (yield* session.get("/302//x")).text();
      expect(events).toEqual([
        "connecting /302//x",
        "connected /302//x",
        "requestSent /302//x",
        "firstByte /302//x",
        "ended /302//x",
        "redirected /302//x",
        "reused /x",
        "requestSent /x",
        "firstByte /x",
        "ended /x",
      ]);
      events.length = 0;
      yield* caught(session.get("http://127.0.0.1:1/"));
      expect(events).toEqual(["connecting /", "failed /"]);
    },
    { trace },
  );
});

type Compress = (data: string) => Uint8Array;
// Node 20 has no zstd.
const zstd = zstdCompressSync as Compress | undefined;
const encodings: Readonly<Record<string, Compress>> = {
  gzip: gzipSync,
  "x-gzip": gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  ...(zstd === undefined || isBun ? {} : { zstd }),
};
const text = "hello ".repeat(50_000);

each("decompression: gzip, deflate, br and zstd, whole or as a stream", () =>
  withServer(
    (request, response) => {
      const coding = (request.url ?? "").slice(1);
      response.setHeader("content-encoding", coding);
      response.end(encodings[coding]?.(text));
    },
    function* (session) {
      for (const coding of Object.keys(encodings)) {
        if (isBun && coding === "x-gzip") continue;
        const response = yield* session.get(`/${coding}`);
        expect(response.headers.get("content-encoding")).toBe(coding);
        expect((yield* response.text()) === text).toBe(true);
        const stream = (yield* session.get(`/${coding}`)).stream();
        let length = 0;
        for (;;) {
          const piece = yield* stream.next();
          if (piece.done === true) break;
          length += piece.value.length;
        }
        expect(length).toBe(text.length);
      }
      expect(session.statistics().active).toBe(0);
    },
  ),
);

eachOnUndici("decompression: raw deflate, two layers, nothing at all, none wanted", () =>
  withServer(
    (request, response) => {
      if (request.url === "/raw") response.setHeader("content-encoding", "deflate").end(deflateRawSync(text));
      else if (request.url === "/two")
        response.setHeader("content-encoding", "gzip, br").end(brotliCompressSync(gzipSync(text)));
      else if (request.url === "/empty") response.writeHead(204, { "content-encoding": "gzip" }).end();
      else response.end(request.headers["accept-encoding"] ?? "nothing");
    },
    function* (session, server) {
      expect((yield* (yield* session.get("/raw")).text()) === text).toBe(true);
      expect((yield* (yield* session.get("/two")).text()) === text).toBe(true);
      expect(yield* (yield* session.get("/empty")).text()).toBe("");
      expect(yield* (yield* session.get("/")).text()).toMatch(/^gzip, deflate, br/);
      yield* use(new ClientSession({ baseUrl: server.url, decompress: false }), function* (plain) {
        expect(yield* (yield* plain.get("/")).text()).toBe("nothing");
        expect((yield* (yield* plain.get("/raw")).bytes()).length).toBe(deflateRawSync(text).length);
      });
    },
  ),
);

eachOnUndici(
  "a decompression bomb, damage and unknown codings are refused, and the connection is closed",
  () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const many = gzipSync(gzipSync(gzipSync(gzipSync(text))));
    return withServer(
      (request, response) => {
        const path = request.url ?? "";
        if (path === "/bomb") response.setHeader("content-encoding", "gzip").end(bomb);
        else if (path === "/damaged")
          response.setHeader("content-encoding", "gzip").end(gzipSync(text).subarray(0, 100));
        else if (path === "/nonsense") response.setHeader("content-encoding", "br").end("nonsense");
        else
          response
            .setHeader("content-encoding", path === "/many" ? "gzip, gzip, gzip, gzip" : "rot13")
            .end(path === "/many" ? many : text);
      },
      function* (session) {
        expect(
          yield* caught((yield* session.get("/bomb", { maxBodyBytes: 1_000_000 })).text()),
        ).toBeInstanceOf(BodyTooLarge);
        for (const path of ["/damaged", "/nonsense", "/many", "/unknown"]) {
          expect(yield* caught((yield* session.get(path)).text())).toBeInstanceOf(DecompressionFailed);
        }
        expect(session.statistics().active).toBe(0);
      },
    );
  },
);

each("the time limit of the whole covers redirects and their bodies", () =>
  withServer(
    (_request, response) => setTimeout(() => response.writeHead(302, { location: "/" }).end(), 30),
    function* (session) {
      expect(yield* caught(session.get("/", { timeout: 100 }))).toBeInstanceOf(TotalTimeout);
    },
  ),
);

test("importing the client needs nothing of Node", async () => {
  const { build } = await import("esbuild");
  const { outputFiles, metafile } = await build({
    entryPoints: [new URL("../../src/client/index.ts", import.meta.url).pathname],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    conditions: ["@anyloop/source"],
    external: ["undici", "tough-cookie", "node:*"],
    metafile: true,
    splitting: true,
    outdir: "out",
  });
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  const eager = imports.filter(({ kind, external }) => external === true && kind === "import-statement");
  expect(outputFiles.length).toBeGreaterThan(0);
  expect(eager).toEqual([]);
});
