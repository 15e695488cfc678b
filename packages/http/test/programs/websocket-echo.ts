/** An echo server for the comparison, a process of its own: `ws` as its documentation writes it, or this package. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  BrokenResourceError,
  type Coroutine,
  EndOfStream,
  run,
  sleepForever,
  type TaskGroup,
  taskGroup,
} from "@anyloop/core";
import { acceptWebSocket, type WebSocketStream } from "@anyloop/http";
import { kernel } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { WebSocketServer } from "ws";

const [subject] = process.argv.slice(2);
const server = createServer();

function* echo(stream: WebSocketStream): Coroutine<void> {
  try {
    for (;;) yield* stream.send(yield* stream.receive());
  } catch (error) {
    // The load ends its connections as it likes.
    if (!(error instanceof EndOfStream || error instanceof BrokenResourceError)) throw error;
  } finally {
    yield* stream.close();
  }
}

function* serve(): Coroutine<void> {
  yield* taskGroup(function* (group: TaskGroup) {
    server.on("upgrade", (request, socket, head) => {
      group.startSoon(function* () {
        yield* echo(yield* acceptWebSocket(request, socket, head));
      });
    });
    yield* sleepForever();
  });
}

if (subject === "ws") {
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
} else {
  void run(serve, { backend: subject === "native" ? native() : kernel() });
}
process.on("message", () => process.send?.(process.cpuUsage()));
process.on("disconnect", () => process.exit());
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
