/** Which connection a request goes on, and what becomes of it when the request is cancelled. */
import {
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  moveOnAfter,
  type Operation,
  shield,
  sleep,
  taskGroup,
  use,
} from "@anyloop/core";
import { ClientSession, ConnectionFailed } from "@anyloop/http/client";
import { expect } from "vitest";
import { caught, each } from "../../../../tools/test-support/each-real.ts";
import { eachOnUndici } from "./each-undici.ts";
import { clean, mixed, quick, untilClosed } from "./handlers.ts";
import { type Handler, httpServer, rawServer, withServer } from "./servers.ts";

const hello: Handler = (_request, response) => response.end("hello");

eachOnUndici("one connection serves one request after another", () =>
  withServer(hello, function* (session, server) {
    for (let at = 0; at < 20; at++) yield* (yield* session.get("/")).text();
    expect(server.accepted()).toBe(1);
    expect(session.statistics()).toMatchObject({ connections: 1, idle: 1, active: 0 });
  }),
);

eachOnUndici("a short body that nobody reads frees its connection", () =>
  withServer(hello, function* (session, server) {
    for (let at = 0; at < 5; at++) yield* session.get("/");
    expect(server.accepted()).toBe(1);
  }),
);

eachOnUndici("no more connections than allowed, first come, first served", () => {
  const asked: string[] = [];
  const order: string[] = [];
  return withServer(
    (request, response) => {
      order.push(request.url ?? "");
      setTimeout(() => response.end("x"), 5);
    },
    function* (session, server) {
      let waiting = 0;
      yield* (yield* session.get("/")).text();
      order.length = 0;
      yield* taskGroup(function* (group) {
        for (let at = 0; at < 10; at++) {
          group.startSoon(function* () {
            // A backend with a seed starts tasks in an order of its own.
            asked.push(`/${String(at)}`);
            yield* (yield* session.get(`/${String(at)}`)).text();
          });
        }
        while (order.length === 0) yield* sleep(1);
        ({ waiting } = session.statistics());
      });
      expect(waiting).toBe(8);
      expect(order).toEqual(asked);
      expect(server.accepted()).toBe(2);
      expect(session.statistics()).toMatchObject({ connections: 2, idle: 2, active: 0, waiting: 0 });
    },
    { maxConnectionsPerHost: 2 },
  );
});

eachOnUndici("an idle connection to one host makes room for another host", () =>
  use(httpServer(hello), (first) =>
    use(httpServer(hello), (second) =>
      use(new ClientSession({ maxConnections: 1 }), function* (session) {
        for (const { url } of [first, second, first]) yield* (yield* session.get(url)).text();
        expect(session.statistics()).toMatchObject({ connections: 1, idle: 1 });
        expect([first.accepted(), second.accepted()]).toEqual([2, 1]);
      }),
    ),
  ),
);

eachOnUndici("who waits for one host is not overtaken by who waits for another", () =>
  use(httpServer(hello), (first) =>
    use(httpServer(hello), (second) =>
      use(new ClientSession({ maxConnections: 1 }), function* (session) {
        const asked: string[] = [];
        const answered: string[] = [];
        yield* session.get(first.url);
        yield* taskGroup((group) => {
          for (const url of [first, second, first, second, second, first].map((server) => server.url)) {
            group.startSoon(function* () {
              asked.push(url);
              yield* session.get(url);
              answered.push(url);
            });
          }
        });
        expect(answered).toEqual(asked);
      }),
    ),
  ),
);

eachOnUndici("a server that closes after each answer is connected to again", () =>
  withServer(
    (_request, response) => {
      response.setHeader("connection", "close");
      response.end("bye");
    },
    function* (session, server) {
      yield* taskGroup(function* (group) {
        for (let at = 0; at < 6; at++) {
          group.startSoon(function* () {
            expect(yield* (yield* session.get("/")).text()).toBe("bye");
          });
        }
      });
      expect(server.accepted()).toBe(6);
      while (session.statistics().connections > 0) yield* sleep(1);
      expect(session.statistics()).toMatchObject(clean);
    },
    { maxConnections: 2 },
  ),
);

eachOnUndici("a connection that the server closed while it was idle is no reason to fail", () => {
  let reset = (): void => {};
  return use(
    rawServer((socket) => {
      socket.on("data", () => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        reset = () => socket.resetAndDestroy();
      });
    }),
    (server) =>
      use(new ClientSession({ baseUrl: server.url }), function* (session) {
        for (let at = 0; at < 20; at++) {
          expect(yield* (yield* session.get("/")).text()).toBe("ok");
          // The client finds out when it writes: in the same turn it cannot see the reset come.
          reset();
        }
        expect(server.accepted()).toBe(20);
      }),
  );
});

each("cancelled before it began, nothing is sent", () =>
  withServer(hello, function* (session, server) {
    const scope = new CancelScope();
    yield* scope.run(function* () {
      scope.cancel();
      yield* session.get("/");
    });
    expect(scope.cancelledCaught).toBe(true);
    expect(server.accepted()).toBe(0);
  }),
);

each("cancelled while it waits for an answer, its connection is closed", () =>
  withServer(mixed, function* (session, server) {
    expect(yield* moveOnAfter(30, session.get("/slow"))).toBeUndefined();
    expect(session.statistics().active).toBe(0);
    yield* untilClosed(server, 0);
    yield* quick(session);
  }),
);

each("cancelled in the middle of the body, its connection is closed", () =>
  withServer(mixed, function* (session, server) {
    const response = yield* session.get("/half");
    expect(yield* moveOnAfter(20, response.text())).toBeUndefined();
    yield* untilClosed(server, 0);
    const stream = (yield* session.get("/half")).stream();
    yield* stream.receive();
    expect(yield* moveOnAfter(20, stream.receive())).toBeUndefined();
    yield* untilClosed(server, 0);
    expect(yield* caught(stream.receive())).toBeInstanceOf(ClosedResourceError);
    expect(session.statistics().active).toBe(0);
  }),
);

eachOnUndici("cancelled after the body had come, its connection is kept", () =>
  withServer(mixed, function* (session, server) {
    const scope = new CancelScope();
    yield* scope.run(function* () {
      const response = yield* session.get("/quick");
      scope.cancel();
      yield* response.text();
    });
    expect(scope.cancelledCaught).toBe(true);
    yield* quick(session);
    expect(server.accepted()).toBe(1);
  }),
);

each("a shield lets a request come to its end", () =>
  withServer(
    (_request, response) => setTimeout(() => response.end("done"), 20),
    function* (session) {
      let text = "";
      const scope = new CancelScope({ timeout: 5 });
      yield* scope.run(function* () {
        yield* shield(function* () {
          text = yield* (yield* session.get("/")).text();
        });
        yield* sleep(0);
      });
      expect([scope.cancelledCaught, text]).toEqual([true, "done"]);
    },
  ),
);

eachOnUndici("cancelled while it waits for a connection, it leaves the line", () =>
  withServer(
    mixed,
    function* (session) {
      yield* taskGroup(function* (group) {
        const first = group.startSoon(session.get("/slow"));
        while (session.statistics().active === 0) yield* sleep(1);
        expect(yield* moveOnAfter(10, session.get("/quick"))).toBeUndefined();
        expect(session.statistics()).toMatchObject({ connections: 1, active: 1, waiting: 0 });
        group.startSoon(() => quick(session));
        while (session.statistics().waiting === 0) yield* sleep(1);
        first.cancel();
      });
      expect(session.statistics()).toMatchObject({ active: 0, waiting: 0 });
    },
    { maxConnections: 1 },
  ),
);

eachOnUndici("cancelled while it connects, the attempt is broken off", () =>
  use(new ClientSession({ timeout: { connect: Infinity } }), function* (session) {
    // TEST-NET: packets go nowhere, or a router refuses; either way nobody answers in time.
    const outcome = yield* caughtOrMoved(30, session.get("http://192.0.2.1/"));
    expect(outcome === undefined || outcome instanceof ConnectionFailed).toBe(true);
    while (session.statistics().closing > 0) yield* sleep(1);
    expect(session.statistics()).toMatchObject(clean);
  }),
);

function* caughtOrMoved(milliseconds: number, work: Operation<unknown>): Coroutine<unknown> {
  try {
    return yield* moveOnAfter(milliseconds, work);
  } catch (error) {
    return error;
  }
}

eachOnUndici("cancelled by who is told that it has a connection, it gives it back", () => {
  const scope = new CancelScope();
  const held: (() => void)[] = [];
  return withServer(
    (request, response) => {
      if (request.url === "/held") held.push(() => response.end("held"));
      else response.end("quick");
    },
    function* (session) {
      yield* quick(session);
      yield* taskGroup(function* (group) {
        group.startSoon(session.get("/held"));
        while (held.length === 0) yield* sleep(1);
        group.startSoon(() => scope.run(() => session.get("/", { trace: { reused: () => scope.cancel() } })));
        while (session.statistics().waiting === 0) yield* sleep(1);
        held[0]?.();
      });
      expect(scope.cancelledCaught).toBe(true);
      expect(session.statistics()).toMatchObject({ active: 0, waiting: 0 });
      yield* quick(session);
    },
    { maxConnections: 1 },
  );
});

each("close() lets go of a response, and of its connection", () =>
  withServer(mixed, function* (session, server) {
    yield* use(session.get("/half"), function* (response) {
      expect(response.status).toBe(200);
    });
    yield* untilClosed(server, 0);
    const big = yield* session.get("/big");
    yield* big.close();
    yield* big.close();
    yield* untilClosed(server, 0);
    expect(session.statistics().active).toBe(0);
  }),
);

each("closing the session ends what is under way, and leaves nothing", () =>
  use(httpServer(mixed), function* (server) {
    const session = new ClientSession({ baseUrl: server.url, maxConnections: 3 });
    const errors = yield* taskGroup(function* (group) {
      const tasks = ["/slow", "/half", "/slow", "/slow"].map((path) =>
        group.startSoon(function* () {
          return yield* caught(
            use(session.get(path), function* (response) {
              yield* response.text();
            }),
          );
        }),
      );
      yield* sleep(40);
      yield* session.close();
      const found: unknown[] = [];
      for (const task of tasks) found.push(yield* task.join());
      return found;
    });
    for (const error of errors) expect(error).toBeInstanceOf(ClosedResourceError);
    expect(session.statistics()).toMatchObject({ ...clean, closing: 0 });
    yield* untilClosed(server, 0);
    expect(yield* caught(session.get("/quick"))).toBeInstanceOf(ClosedResourceError);
    yield* session.close();
  }),
);
