/** How a websocket ends, in order and otherwise. */
import {
  all,
  BrokenResourceError,
  CancelScope,
  ClosedResourceError,
  EndOfStream,
  forEach,
  moveOnAfter,
  taskGroup,
} from "@anyloop/core";
import { WebSocketClosedError } from "@anyloop/http";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught } from "../../../../tools/test-support/each-real.ts";
import { each } from "./each.ts";
import { fill, pairIn, rawClientIn, roomy } from "./pairs.ts";

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
