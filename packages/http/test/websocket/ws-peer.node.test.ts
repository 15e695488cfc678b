/** `ws` as the other side. */
import {
  type Coroutine,
  fromPromise,
  type Operation,
  operation,
  taskGroup,
  EndOfStream,
} from "@anyloop/core";
import { connectWebSocket, type WebSocketStream, acceptWebSocket } from "@anyloop/http";
import { expect } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { AddressInfo } from "node:net";
import { caught } from "../../../../tools/test-support/each-real.ts";
import { each } from "./each.ts";
import { upgradeServer } from "./pairs.ts";

const once = (emitter: NodeJS.EventEmitter, event: string): Operation<unknown[]> =>
  fromPromise(process.getBuiltinModule("node:events").once(emitter, event));

const sizes = [0, 1, 125, 126, 1500, 65_536, 300_000];

const exchange: (stream: WebSocketStream) => Operation<void> = operation(function* exchange(
  stream: WebSocketStream,
): Coroutine<void> {
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      for (const size of sizes) {
        yield* stream.send("ü".repeat(size));
        yield* stream.send(Buffer.alloc(size, 7));
      }
    });
    for (const size of sizes) {
      expect((yield* stream.receive()) === "ü".repeat(size)).toBe(true);
      const bytes = (yield* stream.receive()) as Uint8Array;
      expect(Buffer.alloc(size, 7).equals(bytes)).toBe(true);
    }
  });
});

for (const compression of [false, true]) {
  const title = compression ? "compressed" : "plain";

  each(`a client of ours and a server of ws, ${title}`, function* () {
    const server = new WebSocketServer({
      port: 0,
      perMessageDeflate: compression && { threshold: 0 },
      handleProtocols: () => "echo",
    });
    yield* once(server, "listening");
    const closed = new Promise((resolve) => {
      server.on("connection", (socket) =>
        socket.on("close", (code, reason) => resolve([code, reason.toString()])),
      );
    });
    server.on("connection", (socket) => {
      socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    const { port } = server.address() as AddressInfo;
    const client = yield* connectWebSocket(`ws://127.0.0.1:${String(port)}`, {
      compression,
      protocols: ["echo"],
    });
    expect(client.protocol).toBe("echo");
    yield* exchange(client);
    yield* client.close(4000, "done");
    expect(client.closeCode).toBe(4000);
    yield* fromPromise(new Promise((resolve) => server.close(resolve)));
    expect(yield* fromPromise(closed)).toEqual([4000, "done"]);
  });

  each(`a server of ours and a client of ws, ${title}`, function* () {
    const listening = yield* upgradeServer();
    const socket = new WebSocket(listening.url, { perMessageDeflate: compression && { threshold: 0 } });
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
    const [request, stream, head] = yield* listening.upgrade();
    const server = yield* acceptWebSocket(request, stream, head, { compression });
    if (socket.readyState !== WebSocket.OPEN) yield* once(socket, "open");
    expect(socket.extensions).toBe(compression ? "permessage-deflate" : "");
    yield* exchange(server);
    socket.close(1001, "leaving");
    expect(yield* caught(server.receive())).toBeInstanceOf(EndOfStream);
    expect([server.closeCode, server.closeReason]).toEqual([1001, "leaving"]);
    if (socket.readyState !== WebSocket.CLOSED) yield* once(socket, "close");
    yield* server.close();
    yield* listening.close();
  });
}
