/** The client session and the server, with each other: what neither can show alone. */
import {
  type Coroutine,
  EndOfStream,
  Event,
  forEach,
  moveOnAfter,
  type Operation,
  sleepForever,
  taskGroup,
  use,
} from "@anyloop/core";
import { expect } from "vitest";
import { Application, ClientSession, encodeEvent, serve, ServerResponse, type Serving } from "@anyloop/http";
import { caught, each } from "../../../tools/test-support/each-real.ts";

/** Performs the body with a session whose base is a server of the application. */
function* together(
  app: Application,
  body: (session: ClientSession, server: Serving) => Coroutine<void>,
): Coroutine<void> {
  yield* taskGroup(function* (group) {
    const server = yield* group.start<Serving>((status) =>
      serve(app, { host: "127.0.0.1", shutdownTime: 100 }, status),
    );
    const options = { baseUrl: server.url, headers: { authorization: "Bearer token" } };
    yield* use(new ClientSession(options), (session) => body(session, server));
    server.stop();
  });
}

const ofNode = { bun: "Bun cannot accept websockets" };

each(
  "a session opens a websocket of a route, with its header fields and cookies",
  function* () {
    const app = new Application()
      .get("/login", () => ServerResponse.text("in", { headers: { "set-cookie": "id=7; Path=/" } }))
      .websocket("/rooms/:room", function* (socket, request) {
        yield* socket.send(
          [request.params.room, request.header("authorization"), request.header("cookie")].join("|"),
        );
        yield* forEach(socket, (message) => socket.send(`echo ${String(message)}`));
      });
    yield* together(app, function* (session) {
      yield* (yield* session.get("/login")).text();
      yield* use(session.websocket("/rooms/blue"), function* (socket) {
        expect(yield* socket.receive()).toBe("blue|Bearer token|id=7");
        yield* socket.send("hello");
        expect(yield* socket.receive()).toBe("echo hello");
      });
      const own = { headers: { Cookie: "id=8", Authorization: "none" } };
      yield* use(session.websocket("/rooms/red", own), function* (socket) {
        expect(yield* socket.receive()).toBe("red|none|id=8");
      });
    });
  },
  ofNode,
);

each(
  "the end of the handler closes the websocket, and one that asks wrongly never reaches it",
  function* () {
    let handled = 0;
    const app = new Application().websocket("/once", function* (socket) {
      handled++;
      yield* socket.send("only this");
    });
    yield* together(app, function* (session, { url }) {
      yield* use(session.websocket("/once"), function* (socket) {
        expect(yield* socket.receive()).toBe("only this");
        expect(yield* caught(socket.receive())).toBeInstanceOf(EndOfStream);
      });
      const plain = yield* session.get(`${url}/once`);
      expect(plain.status).toBe(426);
      expect(handled).toBe(1);
    });
  },
  ofNode,
);

each(
  "a websocket whose handler fails says 1011, one whose server ends 1001",
  function* () {
    const reported: unknown[] = [];
    const app = new Application()
      .websocket("/fails", function* (socket) {
        yield* socket.receive();
        throw new Error("as ordered");
      })
      .websocket("/lasts", function* (socket) {
        yield* socket.receive();
        yield* sleepForever();
      });
    yield* taskGroup(function* (group) {
      const server = yield* group.start<Serving>((status) =>
        serve(
          app,
          { host: "127.0.0.1", shutdownTime: 10, onError: (error) => reported.push(String(error)) },
          status,
        ),
      );
      yield* use(new ClientSession({ baseUrl: server.url }), function* (session) {
        for (const [path, code] of [
          ["/fails", 1011],
          ["/lasts", 1001],
        ] as const) {
          yield* use(session.websocket(path), function* (socket) {
            yield* socket.send("go on");
            if (code === 1001) server.stop();
            yield* caught(socket.receive());
            expect(socket.closeCode).toBe(code);
          });
        }
      });
    });
    expect(reported).toEqual(["Error: as ordered"]);
  },
  ofNode,
);

each("a session receives the events that a route streams, and connects again where they end", function* () {
  const seen: (string | undefined)[] = [];
  const app = new Application().get("/events", (request) => {
    const last = request.header("last-event-id");
    seen.push(last);
    const first = Number(last ?? 0) + 1;
    return ServerResponse.stream(
      function* (write) {
        for (let id = first; id < first + 2; id++) {
          yield* write(encodeEvent({ id: String(id), event: "count", data: `number ${id}`, retry: 1 }));
        }
      },
      { headers: { "content-type": "text/event-stream" } },
    );
  });
  yield* together(app, function* (session) {
    yield* use(session.events("/events"), function* (events) {
      const data: string[] = [];
      for (let count = 0; count < 5; count++) data.push((yield* events.receive()).data);
      expect(data).toEqual([1, 2, 3, 4, 5].map((id) => `number ${id}`));
    });
  });
  expect(seen.slice(0, 3)).toEqual([undefined, "2", "4"]);
});

each("closing a stream of events ends the handler that asks for it", function* () {
  const ended = new Event();
  const app = new Application().get(
    "/events",
    () =>
      ServerResponse.stream(
        function* (write) {
          try {
            yield* write(encodeEvent({ data: "first" }));
            yield* sleepForever();
          } finally {
            ended.set();
          }
        },
        { headers: { "content-type": "text/event-stream" } },
      ),
    { cancelOnDisconnect: true },
  );
  yield* together(app, function* (session) {
    yield* use(session.events("/events"), function* (events) {
      expect((yield* events.receive()).data).toBe("first");
      // A receive that is cancelled has taken nothing.
      expect(yield* moveOnAfter(5, events.receive() as Operation<unknown>)).toBeUndefined();
    });
    yield* ended.wait();
  });
});

each("a receive that is cancelled keeps the connection, on which the next event comes", function* () {
  let opened = 0;
  let next = new Event();
  const app = new Application().get("/events", () => {
    opened++;
    return ServerResponse.stream(
      function* (write) {
        for (let number = 0; ; number++) {
          yield* next.wait();
          next = new Event();
          yield* write(encodeEvent({ data: String(number) }));
        }
      },
      { headers: { "content-type": "text/event-stream" } },
    );
  });
  yield* together(app, function* (session) {
    yield* use(session.events("/events"), function* (events) {
      next.set();
      expect((yield* events.receive()).data).toBe("0");
      for (const data of ["1", "2"]) {
        expect(yield* moveOnAfter(5, events.receive() as Operation<unknown>)).toBeUndefined();
        next.set();
        expect((yield* events.receive()).data).toBe(data);
      }
      expect(opened).toBe(1);
    });
    expect(session.statistics().active).toBe(0);
  });
});
