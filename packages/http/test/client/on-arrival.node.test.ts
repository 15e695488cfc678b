/**
 * Cancelled between two operations: the answer's head has come, and whoever was to read the body arrives cancelled. Then
 * nobody has the answer any more, and it must not hold its connection.
 */
import { CancelScope, type Coroutine, operation, sleep } from "@anyloop/core";
import type { ClientResponse, ClientSession } from "@anyloop/http/client";
import { expect } from "vitest";
import { gzipSync } from "node:zlib";
import { each } from "../../../../tools/test-support/each-real.ts";
import { eachOnUndici } from "./each-undici.ts";
import { bodyOf, type Handler, type TestServer, withServer } from "./servers.ts";

/** More than fits anywhere, and never all of it. */
const endless: Handler = (request, response) => {
  const isCoded = request.url === "/gzip";
  if (isCoded) response.setHeader("content-encoding", "gzip");
  if (request.url === "/cookie") response.setHeader("set-cookie", "a=1");
  const piece = isCoded ? gzipSync(Buffer.alloc(1_000)).subarray(0, 20) : Buffer.alloc(1_000_000);
  response.write(piece);
};

function* nothingLeft(session: ClientSession, server: TestServer): Coroutine<void> {
  expect(session.statistics()).toMatchObject({ active: 0, waiting: 0 });
  while (server.open() > 0) yield* sleep(1);
}

const readers: Readonly<Record<string, (response: ClientResponse) => Coroutine<unknown>>> = {
  *text(response) {
    return yield* response.text();
  },
  *"a piece of the stream"(response) {
    return yield* response.stream().receive();
  },
};

for (const [what, read] of Object.entries(readers)) {
  for (const path of ["/", "/gzip"]) {
    each(`cancelled before it asks for ${what} of ${path}, its connection is closed`, () =>
      withServer(endless, function* (session, server) {
        const scope = new CancelScope();
        let response: ClientResponse | undefined;
        yield* scope.run(function* () {
          response = yield* session.get(path);
          scope.cancel();
          yield* read(response);
        });
        expect(scope.cancelledCaught).toBe(true);
        yield* nothingLeft(session, server);
      }),
    );
  }
}

each("cancelled in the very turn in which the head comes, its connection is closed", () => {
  const scope = new CancelScope();
  return withServer(
    endless,
    function* (session, server) {
      yield* scope.run(function* () {
        yield* (yield* session.get("/")).text();
      });
      expect(scope.cancelledCaught).toBe(true);
      yield* nothingLeft(session, server);
    },
    // In the transport's stack: the head has come, and whoever waits for it has not been resumed yet.
    { trace: { firstByte: () => queueMicrotask(() => queueMicrotask(() => scope.cancel())) } },
  );
});

each("who arrives cancelled takes nothing from who is reading already", () => {
  let goOn = (): void => {};
  return withServer(
    (_request, response) => {
      response.write("first");
      goOn = () => response.end("second");
    },
    function* (session) {
      const response = yield* session.get("/");
      const stream = response.stream();
      expect((yield* stream.receive()).length).toBe(5);
      const scope = new CancelScope();
      yield* scope.run(function* () {
        scope.cancel();
        yield* response.text();
      });
      expect(scope.cancelledCaught).toBe(true);
      goOn();
      expect((yield* stream.receive()).length).toBe(6);
    },
  );
});

eachOnUndici("cancelled while its first cookie is kept, its connection is closed", () => {
  const scope = new CancelScope();
  return withServer(
    endless,
    function* (session, server) {
      yield* scope.run(() => session.get("/cookie"));
      expect(scope.cancelledCaught).toBe(true);
      yield* nothingLeft(session, server);
    },
    {
      trace: {
        firstByte(_request, _time, _status, headers) {
          const has = headers.has.bind(headers);
          // Asked when the head has come and before the cookie is kept.
          headers.has = (name) => {
            if (name === "set-cookie") scope.cancel();
            return has(name);
          };
        },
      },
    },
  );
});

each("cancelled while it uploads, after the answer has begun, its connection is closed", () => {
  const scope = new CancelScope();
  return withServer(
    (request, response) => {
      void bodyOf(request);
      response.write(Buffer.alloc(1_000_000));
    },
    function* (session, server) {
      const receive = operation(function* receive(): Coroutine<Uint8Array> {
        yield* sleep(1);
        return new Uint8Array(10);
      });
      yield* scope.run(() => session.post("/", { body: { receive } }));
      expect(scope.cancelledCaught).toBe(true);
      yield* nothingLeft(session, server);
    },
    { trace: { firstByte: () => setTimeout(() => scope.cancel(), 5) } },
  );
});
