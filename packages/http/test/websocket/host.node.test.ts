/** A client over the host's own `WebSocket`, as in browsers and on Bun, and a server of `ws`. */
import type { AddressInfo } from "node:net";
import {
  BrokenResourceError,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  fromPromise,
  moveOnAfter,
  type Operation,
  operation,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import {
  acceptWebSocket,
  connectWebSocket,
  WebSocketHandshakeError,
  type WebSocketStream,
} from "@anyloop/http";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type WebSocket as Peer, WebSocketServer } from "ws";
import { caught, each as eachReal, isBun } from "../../../../tools/test-support/each-real.ts";

// What makes this package take the host's: the marks of Bun.
beforeAll(() => void (isBun || vi.stubGlobal("Bun", {})));
afterAll(() => void vi.unstubAllGlobals());

const each: typeof eachReal = (name, body) => {
  if ("WebSocket" in globalThis) eachReal(name, body);
  else test.skip(`${name} [this runtime has no WebSocket of its own]`);
};

interface Connected {
  readonly server: WebSocketServer;
  readonly url: string;
}

/** A server of ws that echoes, and closes when it is told to. */
const listening: () => Operation<Connected> = operation(function* listening(): Coroutine<Connected> {
  const server = new WebSocketServer({ port: 0, handleProtocols: () => "echo" });
  server.on("connection", (socket: Peer) => {
    socket.on("message", (data, isBinary) => {
      const [code, reason] = isBinary ? [] : (data as Buffer).toString().split(" close ");
      if (reason === undefined) socket.send(data, { binary: isBinary });
      else socket.close(Number(code), reason);
    });
  });
  yield* fromPromise(new Promise((resolve) => server.on("listening", resolve)));
  return { server, url: `ws://127.0.0.1:${String((server.address() as AddressInfo).port)}/` };
});

const ended = ({ server }: Connected): Operation<unknown> =>
  fromPromise(
    () =>
      new Promise((resolve) => {
        for (const client of server.clients) client.terminate();
        server.close(resolve);
      }),
  );

function withStream(body: (stream: WebSocketStream) => Coroutine<void>, options = {}) {
  return function* (): Coroutine<void> {
    const connected = yield* listening();
    yield* body(yield* connectWebSocket(connected.url, options));
    yield* ended(connected);
  };
}

each(
  "text and bytes go both ways, in order",
  withStream(function* (stream) {
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        for (let count = 0; count < 100; count++) {
          yield* stream.send("ü".repeat(count * 100));
          yield* stream.send(Buffer.alloc(count * 100, count));
        }
      });
      for (let count = 0; count < 100; count++) {
        expect(yield* stream.receive()).toBe("ü".repeat(count * 100));
        expect(Buffer.alloc(count * 100, count).equals((yield* stream.receive()) as Uint8Array)).toBe(true);
      }
    });
    yield* stream.close(4000, "done");
    expect(stream.closeCode).toBe(4000);
    expect(yield* caught(stream.receive())).toBeInstanceOf(ClosedResourceError);
  }),
);

each("the peer closes in order, or not", function* () {
  const connected = yield* listening();
  const [first, second] = [yield* connectWebSocket(connected.url), yield* connectWebSocket(connected.url)];
  yield* first.send("1000 close bye");
  expect(yield* caught(first.receive())).toBeInstanceOf(EndOfStream);
  expect([first.closeCode, first.closeReason]).toEqual([1000, "bye"]);
  yield* second.send("4321 close why");
  expect(yield* caught(second.receive())).toMatchObject({ cause: { closeCode: 4321, reason: "why" } });
  yield* first.close();
  yield* second.close();
  const third = yield* connectWebSocket(connected.url);
  for (const client of connected.server.clients) client.terminate();
  expect(yield* caught(third.receive())).toBeInstanceOf(BrokenResourceError);
  expect(third.closeCode).toBe(1006);
  yield* third.close();
  yield* ended(connected);
});

each(
  "a message that is too long breaks the stream",
  withStream(
    function* (stream) {
      yield* stream.send("x".repeat(11));
      expect(yield* caught(stream.receive())).toBeInstanceOf(BrokenResourceError);
      expect(stream.closeCode).toBe(1009);
      yield* stream.close();
    },
    { maxMessageBytes: 10, protocols: ["echo"] },
  ),
);

each(
  "a receive that is cancelled takes nothing, a close wakes it",
  withStream(function* (stream) {
    yield* moveOnAfter(5, stream.receive());
    yield* stream.send("one");
    expect(yield* stream.receive()).toBe("one");
    yield* taskGroup(function* (group) {
      const receiving = group.startSoon(() => caught(stream.receive()));
      yield* waitAllTasksBlocked();
      yield* stream.close();
      expect(yield* receiving.join()).toBeInstanceOf(ClosedResourceError);
    });
  }),
);

each("what the host cannot do is refused", function* () {
  for (const options of [{ headers: { a: "b" } }, { pingInterval: 1000 }, { tls: {} }]) {
    expect(yield* caught(connectWebSocket("ws://127.0.0.1:1/", options))).toBeInstanceOf(UsageError);
  }
  expect(yield* caught(acceptWebSocket({} as never, {} as never, new Uint8Array()))).toBeInstanceOf(
    UsageError,
  );
});

each("connecting: no server, and cancelled", function* () {
  expect(yield* caught(connectWebSocket("ws://127.0.0.1:1/"))).toBeInstanceOf(WebSocketHandshakeError);
  const connected = yield* listening();
  yield* moveOnAfter(0, connectWebSocket(connected.url));
  yield* taskGroup(function* (group) {
    const connecting = group.startSoon(connectWebSocket(connected.url));
    yield* waitAllTasksBlocked();
    connecting.cancel();
    yield* connecting.wait();
  });
  yield* ended(connected);
});
