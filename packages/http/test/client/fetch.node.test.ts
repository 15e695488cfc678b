/** The transport on `fetch`, where undici would be the usual one. On Bun all the other tests use it. */
import {
  BrokenResourceError,
  ClosedResourceError,
  type Coroutine,
  forEach,
  moveOnAfter,
  operation,
  sleep,
  taskGroup,
  use,
} from "@anyloop/core";
import {
  BodyTooLarge,
  ChunkTimeout,
  ClientSession,
  ConnectionFailed,
  FirstByteTimeout,
  TotalTimeout,
} from "@anyloop/http/client";
import { expect } from "vitest";
import { caught, each, isDeno } from "../../../../tools/test-support/each-real.ts";
import { bodyOf, type Handler, httpServer, type TestServer } from "./servers.ts";

const handler: Handler = (request, response) => {
  if (request.url === "/slow") return;
  if (request.url === "/half") response.write("half");
  else if (request.url === "/big") response.end(Buffer.alloc(5_000_000));
  else if (request.url === "/moved") response.writeHead(302, { location: "/" }).end();
  else void bodyOf(request).then((body) => response.end(`${request.method ?? ""} ${body.toString()}`));
};

const withFetch = (body: (session: ClientSession, server: TestServer) => Coroutine<void>) =>
  use(httpServer(handler), (server) =>
    use(new ClientSession({ baseUrl: server.url, transport: "fetch" }), (session) => body(session, server)),
  );

const none = { connections: 0, active: 0, closing: 0 };

each("fetch: requests, redirects, streams both ways", () =>
  withFetch(function* (session, server) {
    expect(yield* (yield* session.post("/", { body: "hello" })).text()).toBe("POST hello");
    const moved = yield* session.get("/moved");
    expect([moved.url, moved.history.length]).toEqual([`${server.url}/`, 1]);
    let left = 3;
    const receive = operation(function* receive(): Coroutine<Uint8Array> {
      yield* sleep(1);
      if (left-- === 0) throw new Error("the source failed");
      return new TextEncoder().encode("x");
    });
    expect(String(yield* caught(session.put("/", { body: { receive } })))).toBe("Error: the source failed");
    let bytes = 0;
    yield* forEach((yield* session.get("/big")).stream(), (piece) => {
      bytes += piece.length;
    });
    expect(bytes).toBe(5_000_000);
    expect(yield* caught((yield* session.get("/big", { maxBodyBytes: 10 })).bytes())).toBeInstanceOf(
      BodyTooLarge,
    );
    while (session.statistics().closing > 0) yield* sleep(1);
    expect(session.statistics()).toMatchObject(none);
  }),
);

each("fetch: cancelled, late, refused, closed", () =>
  withFetch(function* (session, server) {
    expect(yield* moveOnAfter(20, session.get("/slow"))).toBeUndefined();
    expect(yield* caught(session.get("/slow", { timeout: 20 }))).toBeInstanceOf(TotalTimeout);
    expect(yield* caught(session.get("/slow", { timeout: { firstByte: 20 } }))).toBeInstanceOf(
      FirstByteTimeout,
    );
    const half = yield* session.get("/half", { timeout: { betweenChunks: 20 } });
    expect(yield* caught(half.text())).toBeInstanceOf(ChunkTimeout);
    const gone = yield* httpServer(handler);
    yield* gone.close();
    // Deno's fetch, and a browser's, does not say what went wrong.
    const kind = isDeno ? BrokenResourceError : ConnectionFailed;
    expect(yield* caught(session.get(gone.url))).toBeInstanceOf(kind);
    while (session.statistics().closing > 0) yield* sleep(1);
    expect(session.statistics()).toMatchObject(none);
    yield* taskGroup(function* (group) {
      const task = group.startSoon(() => caught(session.get("/slow")));
      yield* sleep(20);
      yield* session.close();
      expect(yield* task.join()).toBeInstanceOf(ClosedResourceError);
    });
    expect(yield* caught(session.get("/"))).toBeInstanceOf(ClosedResourceError);
    expect(server.accepted()).toBeGreaterThan(0);
  }),
);
