/** How long each phase of a request may take. */
import { sleep, taskGroup, TimeoutError, use } from "@anyloop/core";
import {
  ChunkTimeout,
  ClientSession,
  ConnectTimeout,
  FirstByteTimeout,
  PoolTimeout,
  TotalTimeout,
} from "@anyloop/http/client";
import { expect } from "vitest";
import { caught, each } from "../../../../tools/test-support/each-real.ts";
import { eachOnUndici } from "./each-undici.ts";
import { clean, mixed, quick, untilClosed } from "./handlers.ts";
import { rawServer, withServer } from "./servers.ts";

each("total: the whole of a request, its body included", () =>
  withServer(mixed, function* (session, server) {
    const error = yield* caught(session.get("/slow", { timeout: 20 }));
    expect(error).toBeInstanceOf(TotalTimeout);
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ name: "TotalTimeout", phase: "total", milliseconds: 20, code: "TIMEOUT" });
    const response = yield* session.get("/half", { timeout: { total: 500 } });
    expect(yield* caught(response.text())).toBeInstanceOf(TotalTimeout);
    yield* untilClosed(server, 0);
    expect(session.statistics().active).toBe(0);
  }),
);

each("firstByte: from the request to the answer", () =>
  withServer(mixed, function* (session) {
    const error = yield* caught(session.get("/slow", { timeout: { firstByte: 60 } }));
    expect(error).toBeInstanceOf(FirstByteTimeout);
    yield* quick(session);
  }),
);

each("betweenChunks: while the body is read, from one piece to the next", () =>
  withServer(
    (_request, response) => {
      let pieces = 0;
      const timer = setInterval(() => {
        if (pieces++ < 10) response.write("piece");
        else clearInterval(timer);
      }, 30);
      response.on("close", () => clearInterval(timer));
    },
    function* (session) {
      const started = performance.now();
      const response = yield* session.get("/", { timeout: { betweenChunks: 250 } });
      expect(yield* caught(response.text())).toBeInstanceOf(ChunkTimeout);
      expect(performance.now() - started).toBeGreaterThan(400);
    },
  ),
);

eachOnUndici("pool: waiting for a connection", () =>
  withServer(
    mixed,
    function* (session) {
      yield* taskGroup(function* (group) {
        const first = group.startSoon(session.get("/slow"));
        while (session.statistics().active === 0) yield* sleep(1);
        expect(yield* caught(session.get("/quick"))).toBeInstanceOf(PoolTimeout);
        first.cancel();
      });
      expect(session.statistics()).toMatchObject({ active: 0, waiting: 0 });
      yield* quick(session);
    },
    { maxConnections: 1, timeout: { pool: 20 } },
  ),
);

eachOnUndici("connect: TCP and TLS together", () =>
  use(
    rawServer((socket) => socket.resume()),
    (server) =>
      use(new ClientSession({ timeout: { connect: 30 } }), function* (session) {
        // Accepts, and never says a word of TLS.
        const error = yield* caught(session.get(`https://127.0.0.1:${String(server.port)}/`));
        expect(error).toBeInstanceOf(ConnectTimeout);
        while (server.open() > 0 || session.statistics().closing > 0) yield* sleep(1);
        expect(session.statistics()).toMatchObject(clean);
      }),
  ),
);

each("a limit that is no time is refused", () =>
  use(new ClientSession(), function* (session) {
    expect(String(yield* caught(session.get("http://127.0.0.1:1/", { timeout: 0 })))).toContain("total");
    expect(() => new ClientSession({ timeout: { pool: Number.NaN } })).toThrow("pool");
  }),
);
