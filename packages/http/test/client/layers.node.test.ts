/** Retries, middleware and tracing, and what is loaded for all of it. */
import { sleep } from "@anyloop/core";
import { ConnectionFailed, type ClientMiddleware, type Trace } from "@anyloop/http/client";
import { expect, test } from "vitest";
import { caught, each } from "../../../../tools/test-support/each-real.ts";
import { eachOnUndici } from "./each-undici.ts";
import { redirecting, type Seen } from "./handlers.ts";
import { withServer } from "./servers.ts";

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
      const response = yield* session.get("/", { retry: { limit: 100, backoff: 20 }, timeout: 1_000 });
      expect(response.status).toBe(503);
      // The next time would have been beyond it.
      expect(performance.now() - started).toBeLessThan(1_000);
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
