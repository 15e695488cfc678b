/** UDP, with real sockets on one machine. */
import {
  BusyResourceError,
  CancelScope,
  ClosedResourceError,
  failAfter,
  forEach,
  moveOnAfter,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { BindError, connectedUdpSocket, ResolveError, udpSocket } from "@anyloop/io";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each } from "../../../tools/test-support/each-real.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);
const localhost = { host: "127.0.0.1" };

each("datagrams arrive whole, and say where they come from", function* () {
  const [near, far] = [yield* udpSocket(localhost), yield* udpSocket(localhost)];
  yield* near.sendTo(bytes("one"), "127.0.0.1", far.localAddress.port);
  yield* near.sendTo(bytes("two"), "127.0.0.1", far.localAddress.port);
  const first = yield* far.receive();
  expect(text(first.data)).toBe("one");
  expect(first.address).toEqual({ host: "127.0.0.1", port: near.localAddress.port });
  expect(text((yield* far.receive()).data)).toBe("two");
  yield* far.send({ data: bytes("back"), address: first.address });
  expect(text((yield* near.receive()).data)).toBe("back");
  yield* near.close();
  yield* far.close();
});

each("a connected socket hears its peer only", function* () {
  const peer = yield* udpSocket(localhost);
  const stranger = yield* udpSocket(localhost);
  const near = yield* connectedUdpSocket("127.0.0.1", peer.localAddress.port, localhost);
  expect(near.remoteAddress).toEqual(peer.localAddress);
  yield* near.send(bytes("hello"));
  const { data, address } = yield* peer.receive();
  expect(text(data)).toBe("hello");
  yield* stranger.sendTo(bytes("spam"), "127.0.0.1", near.localAddress.port);
  yield* peer.sendTo(bytes("answer"), address.host, address.port);
  expect(text(yield* near.receive())).toBe("answer");
  for (const socket of [peer, stranger, near]) yield* socket.close();
});

each("receiving: cancelled, busy, closed", function* () {
  const socket = yield* udpSocket(localhost);
  expect(yield* moveOnAfter(5, socket.receive())).toBeUndefined();
  yield* taskGroup(function* (group) {
    const first = group.startSoon(() => caught(socket.receive()));
    yield* waitAllTasksBlocked();
    expect(yield* caught(socket.receive())).toBeInstanceOf(BusyResourceError);
    yield* socket.close();
    yield* socket.close();
    expect(yield* first.join()).toBeInstanceOf(ClosedResourceError);
  });
  expect(yield* caught(socket.receive())).toBeInstanceOf(ClosedResourceError);
  expect(yield* caught(socket.sendTo(bytes("x"), "127.0.0.1", 9))).toBeInstanceOf(ClosedResourceError);
});

each("a cancelled close still closes; in a cancelled scope nothing is sent", function* () {
  const [near, far] = [yield* udpSocket(localhost), yield* udpSocket(localhost)];
  const scope = new CancelScope();
  scope.cancel();
  yield* scope.run(near.sendTo(bytes("never"), "127.0.0.1", far.localAddress.port));
  expect(yield* moveOnAfter(5, far.receive())).toBeUndefined();
  const closing = new CancelScope();
  closing.cancel();
  yield* closing.run(far.close());
  expect(yield* caught(far.receive())).toBeInstanceOf(ClosedResourceError);
  yield* near.close();
});

each("a send in the turn in which the socket is closed ends", function* () {
  const socket = yield* udpSocket({ host: "127.0.0.1" });
  const { port } = socket.localAddress;
  yield* taskGroup(function* (group) {
    const sending = group.startSoon(function* () {
      try {
        yield* socket.sendTo(bytes("x"), "127.0.0.1", port);
      } catch (error) {
        expect(error).toBeInstanceOf(ClosedResourceError);
      }
    });
    group.startSoon(socket.close());
    yield* failAfter(1_000, sending.wait());
  });
});

each("it is a stream of datagrams", function* () {
  const [near, far] = [yield* udpSocket(localhost), yield* udpSocket(localhost)];
  for (const word of ["a", "b", "end"]) yield* near.sendTo(bytes(word), "127.0.0.1", far.localAddress.port);
  const words: string[] = [];
  const scope = new CancelScope();
  yield* scope.run(() =>
    forEach(far, function* ({ data }) {
      words.push(text(data));
      if (text(data) === "end") scope.cancel();
    }),
  );
  expect(words).toEqual(["a", "b", "end"]);
  yield* near.close();
  yield* far.close();
});

each("errors are typed", function* () {
  const socket = yield* udpSocket(localhost);
  const error = (yield* caught(udpSocket({ ...localhost, port: socket.localAddress.port }))) as BindError;
  expect(error).toBeInstanceOf(BindError);
  expect(error.code).toBe("EADDRINUSE");
  expect(yield* caught(connectedUdpSocket("no-such-host.invalid", 9))).toBeInstanceOf(ResolveError);
  for (const port of [0, -1, 70_000, 1.5]) {
    expect(yield* caught(connectedUdpSocket("127.0.0.1", port))).toBeInstanceOf(UsageError);
  }
  for (const port of [-1, 70_000, 1.5]) {
    expect(yield* caught(udpSocket({ port }))).toBeInstanceOf(UsageError);
    expect(yield* caught(udpSocket({ ...localhost, port }))).toBeInstanceOf(UsageError);
  }
  yield* socket.close();
});
