/** Both ends of ours, over real sockets. */
import {
  all,
  BrokenResourceError,
  BusyResourceError,
  CancelScope,
  ClosedResourceError,
  EndOfStream,
  moveOnAfter,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each } from "../each-real.ts";
import { pairIn } from "./pairs.ts";

each("text and bytes go both ways", function* () {
  yield* taskGroup(function* (group) {
    const { client, server } = yield* pairIn(group);
    yield* client.send("grüß dich 🌍");
    yield* client.send(new Uint8Array([0, 255, 7]));
    yield* client.send("");
    yield* client.send(new Uint8Array(0));
    expect(yield* server.receive()).toBe("grüß dich 🌍");
    expect([...(yield* server.receive())]).toEqual([0, 255, 7]);
    expect(yield* server.receive()).toBe("");
    expect([...(yield* server.receive())]).toEqual([]);
    yield* server.send("back");
    expect(yield* client.receive()).toBe("back");
    yield* all([client.close(4001, "done"), server.close(4002)]);
  });
});
