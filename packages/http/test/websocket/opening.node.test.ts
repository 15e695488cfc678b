/** Connecting and accepting: both sides of the handshake, and what is no websocket. */
import type { Duplex } from "node:stream";
import {
  all,
  BrokenResourceError,
  type Coroutine,
  moveOnAfter,
  operation,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { acceptWebSocket, connectWebSocket, WebSocketHandshakeError } from "@anyloop/http";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught } from "../../../../tools/test-support/each-real.ts";
import { each } from "./each.ts";
import { pairIn, sampleHandshake, upgradeServer } from "./pairs.ts";

each(
  "connecting: cancelled before, nothing is begun; while it waits, the connection is closed",
  function* () {
    const listening = yield* upgradeServer();
    yield* moveOnAfter(0, connectWebSocket(listening.url));
    expect(listening.sockets.size).toBe(0);
    yield* taskGroup(function* (group) {
      const connecting = group.startSoon(connectWebSocket(listening.url));
      const [, socket] = yield* listening.upgrade();
      connecting.cancel();
      yield* connecting.wait();
      expect(connecting.status).toBe("cancelled");
      if (!socket.destroyed) yield* untilClosed(socket);
    });
    yield* listening.close();
  },
);

const untilClosed = operation(function* untilClosed(socket: Duplex): Coroutine<void> {
  socket.resume();
  while (!socket.closed && !socket.readableEnded) yield* waitAllTasksBlocked(5);
});

each("connecting: no server, another answer, another address", function* () {
  const listening = yield* upgradeServer();
  const { url } = listening;
  listening.server.removeAllListeners("upgrade");
  listening.server.on("request", (_, response) => response.writeHead(403, { "x-why": "because" }).end("no"));
  const refused = (yield* caught(connectWebSocket(url))) as WebSocketHandshakeError;
  expect(refused).toBeInstanceOf(WebSocketHandshakeError);
  expect(refused.status).toBe(403);
  expect(refused.headers["x-why"]).toBe("because");
  yield* listening.close();
  const gone = (yield* caught(connectWebSocket(url))) as WebSocketHandshakeError;
  expect(gone).toBeInstanceOf(WebSocketHandshakeError);
  expect(gone.cause).toMatchObject({ code: "ECONNREFUSED" });
  expect(yield* caught(connectWebSocket("nonsense"))).toBeInstanceOf(UsageError);
  expect(yield* caught(connectWebSocket("ftp://127.0.0.1"))).toBeInstanceOf(UsageError);
});

each("accepting: what is no websocket is answered and ended", function* () {
  const bad: [lines: string[], status: number][] = [
    [
      [
        "POST / HTTP/1.1",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ],
      405,
    ],
    [
      [
        "GET / HTTP/1.1",
        "Upgrade: chat",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ],
      426,
    ],
    [
      [
        "GET / HTTP/1.1",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 8",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ],
      426,
    ],
    [
      ["GET / HTTP/1.1", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: short=="],
      400,
    ],
    [["GET / HTTP/1.1", "Upgrade: websocket", "Sec-WebSocket-Version: 13"], 400],
  ];
  const { connect } = process.getBuiltinModule("node:net");
  for (const [lines, status] of bad) {
    const listening = yield* upgradeServer();
    const socket = connect(listening.port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.write(`${[...lines, "Host: x", "Connection: Upgrade"].join("\r\n")}\r\n\r\n`);
    const [request, upgraded, head] = yield* listening.upgrade();
    const error = yield* caught(acceptWebSocket(request, upgraded, head));
    expect(error).toBeInstanceOf(WebSocketHandshakeError);
    expect((error as WebSocketHandshakeError).status).toBe(status);
    yield* untilClosed(socket);
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${String(status)} `));
    yield* listening.close();
  }
});

each("accepting: a client that is gone already breaks the stream", function* () {
  const { connect } = process.getBuiltinModule("node:net");
  for (const leave of ["end", "destroy", "resetAndDestroy"] as const) {
    const listening = yield* upgradeServer();
    const client = connect(listening.port, "127.0.0.1");
    client.write(`${sampleHandshake.join("\r\n")}\r\n\r\n`);
    const [request, socket, head] = yield* listening.upgrade();
    client[leave]();
    yield* untilClosed(socket);
    const server = yield* acceptWebSocket(request, socket, head);
    expect(yield* caught(server.receive())).toBeInstanceOf(BrokenResourceError);
    expect(server.closeCode).toBe(1006);
    yield* server.close();
    yield* listening.close();
  }
});

each("headers and subprotocols are exchanged, the server's best one is chosen", function* () {
  yield* taskGroup(function* (group) {
    const listening = yield* upgradeServer();
    const connecting = group.startSoon(
      connectWebSocket(listening.url, {
        protocols: ["soap", "chat.v1", "chat.v2"],
        headers: { "x-token": "42" },
      }),
    );
    const [request, socket, head] = yield* listening.upgrade();
    expect(request.headers["x-token"]).toBe("42");
    const server = yield* acceptWebSocket(request, socket, head, {
      protocols: ["chat.v2", "chat.v1"],
      headers: { "set-cookie": ["a=1", "b=2"] },
    });
    const client = yield* connecting.join();
    expect([client.protocol, server.protocol]).toEqual(["chat.v2", "chat.v2"]);
    yield* all([client.close(), server.close()]);
    yield* listening.close();
  });
});

each("bad arguments are refused, and change nothing", function* () {
  yield* taskGroup(function* (group) {
    const { client, server } = yield* pairIn(group);
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 2000, 2999, 5000, 1000.5, Number.NaN]) {
      expect(() => client.close(code)).toThrow(UsageError);
    }
    expect(() => client.close(1000, "ü".repeat(62))).toThrow(UsageError);
    expect(() => client.send(42 as unknown as string)).toThrow(UsageError);
    for (const options of [
      { maxMessageBytes: 0 },
      { maxMessageBytes: 1.5 },
      { pingInterval: -1 },
      { pongTimeout: Number.NaN },
      { protocols: ["a b"] },
      { protocols: ["a", "a"] },
    ]) {
      expect(yield* caught(connectWebSocket("ws://127.0.0.1:1", options))).toBeInstanceOf(UsageError);
    }
    yield* client.send("still open");
    expect(yield* server.receive()).toBe("still open");
    yield* all([client.close(3000, "ü".repeat(61)), server.close()]);
  });
});
