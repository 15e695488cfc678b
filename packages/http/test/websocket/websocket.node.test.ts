/** Both ends of ours, over real sockets. */
import {
  all,
  BrokenResourceError,
  BusyResourceError,
  CancelScope,
  moveOnAfter,
  shield,
  taskGroup,
} from "@anyloop/core";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, vi } from "vitest";
import { caught } from "../../../../tools/test-support/each-real.ts";
import { each } from "./each.ts";
import { fill, frame, large, opcodes, pairIn, rawClientIn, roomy } from "./pairs.ts";

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
