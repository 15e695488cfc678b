/** Both ends of ours, over real sockets. */
import type { Duplex } from "node:stream";
import {
  all,
  BrokenResourceError,
  BusyResourceError,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  forEach,
  moveOnAfter,
  type Operation,
  operation,
  shield,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import {
  acceptWebSocket,
  connectWebSocket,
  WebSocketClosedError,
  WebSocketHandshakeError,
  type WebSocketStream,
} from "@anyloop/http";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, vi } from "vitest";
import { caught, each } from "./each.ts";
import { frame, opcodes, pairIn, rawClientIn, sampleHandshake, upgradeServer } from "./pairs.ts";

/** More than all the buffers of the system take, for ends with the `roomy` options. */
const large = "x".repeat(16_000_000);
const roomy = { client: { maxMessageBytes: large.length }, server: { maxMessageBytes: large.length } };

/** Fills the peer's store and the buffers of the system: who sends after that waits until the peer receives. */
const fill: (stream: WebSocketStream) => Operation<void> = operation(function* fill(
  stream: WebSocketStream,
): Coroutine<void> {
  for (let count = 0; count < 2; count++) yield* stream.send(large);
});

each("text and bytes go both ways, empty ones too", function* () {
  yield* taskGroup(function* (group) {
    const { client, server } = yield* pairIn(group);
    yield* client.send("grüß dich 🌍");
    yield* client.send(new Uint8Array([0, 255, 7]));
    yield* client.send("");
    yield* client.send(new Uint8Array(0));
    expect(yield* server.receive()).toBe("grüß dich 🌍");
    expect(yield* server.receive()).toEqual(Buffer.from([0, 255, 7]));
    expect(yield* server.receive()).toBe("");
    expect(yield* server.receive()).toEqual(Buffer.from([]));
    yield* server.send("back");
    expect(yield* client.receive()).toBe("back");
    yield* all([client.close(), server.close()]);
  });
});

for (const compression of [false, true]) {
  each(`messages of every size keep their order, compression ${compression ? "on" : "off"}`, function* () {
    yield* taskGroup(function* (group) {
      const options = { compression, maxMessageBytes: 10_000_000 };
      const { client, server } = yield* pairIn(group, { client: options, server: options });
      const sizes = [0, 1, 125, 126, 1023, 1024, 65_535, 3, 65_536, 2, 1_000_000, 5, 1024, 4];
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        group.startSoon(function* () {
          for (const size of sizes) yield* from.send(Buffer.alloc(size, `${String(size)} `).toString());
          for (const size of sizes) yield* from.send(Buffer.alloc(size, size % 251));
        });
        for (const size of sizes) {
          expect((yield* to.receive()) === Buffer.alloc(size, `${String(size)} `).toString()).toBe(true);
        }
        for (const size of sizes) {
          const bytes = (yield* to.receive()) as Uint8Array;
          expect(Buffer.alloc(size, size % 251).equals(bytes)).toBe(true);
        }
      }
      yield* all([client.close(), server.close()]);
    });
  });
}

each("bytes are the caller's again once they are sent", function* () {
  yield* taskGroup(function* (group) {
    const { client, server } = yield* pairIn(group);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      const bytes = new Uint8Array([1, 2, 3]);
      yield* from.send(bytes);
      bytes.fill(9);
      expect(yield* to.receive()).toEqual(Buffer.from([1, 2, 3]));
    }
    yield* all([client.close(), server.close()]);
  });
});

each("a normal close is the end of the stream, after what was sent, with its code and reason", function* () {
  yield* taskGroup(function* (group) {
    const { client, server } = yield* pairIn(group);
    expect(server.closeCode).toBe(undefined);
    yield* client.send("last");
    const closing = group.startSoon(client.close(1000, "enough"));
    const got: unknown[] = [];
    yield* forEach(server, (message) => void got.push(message));
    expect(got).toEqual(["last"]);
    expect([server.closeCode, server.closeReason]).toEqual([1000, "enough"]);
    expect(yield* caught(server.receive())).toBeInstanceOf(EndOfStream);
    expect(yield* caught(server.send("too late"))).toBeInstanceOf(BrokenResourceError);
    yield* closing.join();
    expect(client.closeCode).toBe(1000);
    expect(yield* caught(client.receive())).toBeInstanceOf(ClosedResourceError);
    expect(yield* caught(client.send(""))).toBeInstanceOf(ClosedResourceError);
    yield* client.close();
    yield* server.close();
  });
});

each("any other close code breaks the stream, and says which", function* () {
  yield* taskGroup(function* (group) {
    const { client, server } = yield* pairIn(group);
    const receiving = group.startSoon(() => caught(client.receive()));
    yield* waitAllTasksBlocked();
    yield* server.close(4321, "no such room");
    const error = (yield* receiving.join()) as BrokenResourceError;
    expect(error).toBeInstanceOf(BrokenResourceError);
    expect(error.cause).toBeInstanceOf(WebSocketClosedError);
    expect(error.cause).toMatchObject({ closeCode: 4321, reason: "no such room" });
    expect([client.closeCode, client.closeReason]).toEqual([4321, "no such room"]);
    yield* client.close();
  });
});

each("sendEof closes, and still receives what the peer had sent", function* () {
  yield* taskGroup(function* (group) {
    const { client, server } = yield* pairIn(group);
    yield* server.send("on its way");
    yield* client.sendEof();
    expect(yield* client.receive()).toBe("on its way");
    expect(yield* caught(client.receive())).toBeInstanceOf(EndOfStream);
    expect(yield* caught(client.send("more"))).toBeInstanceOf(ClosedResourceError);
    expect(yield* caught(server.receive())).toBeInstanceOf(EndOfStream);
    yield* all([client.close(), server.close()]);
  });
});

each("a connection that is cut breaks both directions, with the cause, and 1006", function* () {
  const { raw, server } = yield* rawClientIn();
  yield* taskGroup(function* (group) {
    const receiving = group.startSoon(() => caught(server.receive()));
    yield* waitAllTasksBlocked();
    raw.socket.resetAndDestroy();
    const error = (yield* receiving.join()) as BrokenResourceError;
    expect(error).toBeInstanceOf(BrokenResourceError);
    expect(error.cause).toMatchObject({ code: "ECONNRESET" });
    expect(yield* caught(server.send("?"))).toBeInstanceOf(BrokenResourceError);
    expect(server.closeCode).toBe(1006);
    yield* server.close();
  });
});

each("a connection that ends without a word of closing breaks the stream", function* () {
  const { raw, server } = yield* rawClientIn();
  raw.socket.end();
  const error = (yield* caught(server.receive())) as BrokenResourceError;
  expect(error).toBeInstanceOf(BrokenResourceError);
  expect(error.message).toContain("without a word of closing");
  expect(server.closeCode).toBe(1006);
  yield* server.close();
});

each("a sender waits while nobody receives, and goes on when somebody does", function* () {
  yield* taskGroup(function* (group) {
    const { client, server } = yield* pairIn(group, roomy);
    yield* fill(client);
    const sending = group.startSoon(client.send("last"));
    yield* waitAllTasksBlocked(20);
    expect(sending.status).toBe("running");
    for (let count = 0; count < 2; count++) expect((yield* server.receive()).length).toBe(large.length);
    expect(yield* server.receive()).toBe("last");
    yield* sending.join();
    yield* all([client.close(), server.close()]);
  });
});

each("a flood of empty messages stops the reading as well, and none is lost", function* () {
  const { raw, server, socket } = yield* rawClientIn();
  const count = 50_000;
  raw.socket.write(Buffer.concat(Array.from({ length: count }, () => frame(opcodes.text))));
  yield* waitAllTasksBlocked(20);
  expect(socket.isPaused()).toBe(true);
  for (let received = 0; received < count; received++) expect(yield* server.receive()).toBe("");
  expect(socket.isPaused()).toBe(false);
  raw.socket.destroy();
  yield* server.close();
});

each("two tasks in one direction are told so", function* () {
  yield* taskGroup(function* (group) {
    const { client, server } = yield* pairIn(group, roomy);
    const receiving = group.startSoon(client.receive());
    yield* waitAllTasksBlocked();
    expect(yield* caught(client.receive())).toBeInstanceOf(BusyResourceError);
    yield* fill(client);
    const sending = group.startSoon(moveOnAfter(1000, client.send("one")));
    yield* waitAllTasksBlocked();
    expect(yield* caught(client.send("two"))).toBeInstanceOf(BusyResourceError);
    sending.cancel();
    yield* server.send("here");
    expect(yield* receiving.join()).toBe("here");
    yield* shield(all([client.close(), server.close()]));
  });
});

each("receive: cancelled before and while it waits takes nothing; after, nothing is lost", function* () {
  yield* taskGroup(function* (group) {
    const { client, server } = yield* pairIn(group);
    yield* moveOnAfter(0, client.receive());
    const waiting = group.startSoon(client.receive());
    yield* waitAllTasksBlocked();
    waiting.cancel();
    yield* waiting.wait();
    expect(waiting.status).toBe("cancelled");
    const handed = group.startSoon(client.receive());
    yield* server.send("one");
    yield* server.send("two");
    expect(yield* handed.join()).toBe("one");
    handed.cancel();
    expect(yield* shield(client.receive())).toBe("two");
    yield* all([client.close(), server.close()]);
  });
});

each("a cancelled send sends nothing; what was sent goes out though its task is cancelled", function* () {
  yield* taskGroup(function* (group) {
    const { client, server } = yield* pairIn(group);
    yield* moveOnAfter(0, client.send("never"));
    const scope = new CancelScope();
    yield* scope.run(function* () {
      yield* client.send("goes out");
      scope.cancel();
      yield* client.send("never");
    });
    yield* client.send("next");
    expect(yield* server.receive()).toBe("goes out");
    expect(yield* server.receive()).toBe("next");
    yield* all([client.close(), server.close()]);
  });
});

each("a cancelled close closes at once, and says so to the peer", function* () {
  yield* taskGroup(function* (group) {
    const { client, server } = yield* pairIn(group);
    const scope = new CancelScope();
    scope.cancel();
    yield* scope.run(client.close(4000, "hurry"));
    expect(scope.cancelledCaught).toBe(true);
    expect(yield* caught(client.receive())).toBeInstanceOf(ClosedResourceError);
    expect(yield* caught(server.receive())).toMatchObject({ cause: { closeCode: 4000, reason: "hurry" } });
    yield* server.close();
  });
});

each("a close that waits for a silent peer can be cancelled, and ends by itself", function* () {
  const first = yield* rawClientIn();
  yield* moveOnAfter(20, first.server.close());
  yield* first.raw.all();
  const second = yield* rawClientIn({ closeTimeout: 20 });
  yield* second.server.close();
  const bytes = yield* second.raw.all();
  expect([...bytes]).toEqual([0x88, 2, 1000 >> 8, 1000 & 255]);
});

each("closing wakes who waits on this very end", function* () {
  yield* taskGroup(function* (group) {
    const { client, server } = yield* pairIn(group, roomy);
    const receiving = group.startSoon(() => caught(client.receive()));
    yield* fill(client);
    const sending = group.startSoon(() => caught(client.send("more")));
    yield* waitAllTasksBlocked();
    group.startSoon(client.close());
    expect(yield* receiving.join()).toBeInstanceOf(ClosedResourceError);
    expect(yield* sending.join()).toBeInstanceOf(ClosedResourceError);
    yield* server.close();
  });
});

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

each("the heartbeat keeps a living peer, and tells of a dead one", function* () {
  yield* taskGroup(function* (group) {
    const { client, server } = yield* pairIn(group, { client: { pingInterval: 5, pongTimeout: 1000 } });
    yield* moveOnAfter(60, client.receive());
    yield* client.send("still here");
    expect(yield* server.receive()).toBe("still here");
    yield* all([client.close(), server.close()]);
  });
  const { raw, server } = yield* rawClientIn({ pingInterval: 5, pongTimeout: 20 });
  const error = (yield* caught(server.receive())) as BrokenResourceError;
  expect(error).toBeInstanceOf(BrokenResourceError);
  expect(error.message).toContain("did not answer a ping");
  const bytes = yield* raw.all();
  expect([...bytes.subarray(0, 2)]).toEqual([0x89, 0]);
  yield* server.close();
});

each("what a task sends goes out in one write", function* () {
  const { raw, server, socket } = yield* rawClientIn();
  const write = vi.spyOn(socket, "write");
  for (let count = 0; count < 16; count++) yield* server.send("sixteen");
  yield* raw.until((bytes) => bytes.length >= 16 * 9);
  expect(write).toHaveBeenCalledTimes(1);
  raw.socket.destroy();
  yield* server.close();
});

each("what came together is answered together", function* () {
  const { raw, server, socket } = yield* rawClientIn();
  const write = vi.spyOn(socket, "write");
  yield* taskGroup(function* (group) {
    const echo = group.startSoon(function* () {
      for (;;) yield* server.send(yield* server.receive());
    });
    yield* waitAllTasksBlocked();
    raw.socket.write(Buffer.concat(Array.from({ length: 16 }, () => frame(opcodes.text, "sixteen"))));
    yield* raw.until((bytes) => bytes.length >= 16 * 9);
    expect(write).toHaveBeenCalledTimes(1);
    echo.cancel();
  });
  raw.socket.destroy();
  yield* server.close();
});

each("a peer that pings and does not read gets the last answer, and costs no memory", function* () {
  const { raw, server, socket } = yield* rawClientIn();
  const pings = Buffer.concat(Array.from({ length: 10_000 }, () => frame(opcodes.ping, "p".repeat(125))));
  raw.socket.pause();
  for (let round = 0; round < 20; round++) raw.socket.write(pings);
  raw.socket.write(Buffer.concat([frame(opcodes.ping, "last"), frame(opcodes.text, "all read")]));
  expect(yield* server.receive()).toBe("all read");
  expect(socket.writableLength).toBeLessThan(200_000);
  raw.socket.resume();
  const lastPong = Buffer.from([0x8a, 4, ...Buffer.from("last")]);
  yield* raw.until((bytes) => bytes.subarray(-6).equals(lastPong));
  raw.socket.destroy();
  yield* server.close();
});
