/** Receiving from sockets, connections that break, and where their ends are. */
import { BrokenResourceError, sleep, taskGroup, UsageError } from "@anyloop/core";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught } from "../../../tools/test-support/each-real.ts";
import { bytes, onPair, text } from "./sockets.ts";

onPair("receiveInto fills the caller's buffer", function* (near, far) {
  const buffer = new Uint8Array(4);
  yield* taskGroup(function* (group) {
    const first = group.startSoon(near.receiveInto(buffer));
    yield* waitAllTasksBlocked();
    yield* far.send(bytes("abcdef"));
    expect(yield* first.join()).toBe(4);
    expect(text(buffer)).toBe("abcd");
    expect(yield* near.receiveInto(buffer)).toBe(2);
    expect(text(buffer)).toBe("efcd");
  });
  expect(() => near.receiveInto(new Uint8Array(0))).toThrow(UsageError);
});

onPair("a small piece does not overtake what is left of a large one", function* (near) {
  yield* taskGroup(function* (group) {
    const first = group.startSoon(near.receive(2));
    yield* waitAllTasksBlocked();
    // As if the system had brought both in one turn.
    near.raw.push(bytes("long"));
    near.raw.push(bytes("x"));
    expect(text(yield* first.join())).toBe("lo");
    expect(text(yield* near.receive())).toBe("ngx");
  });
});

onPair("a reset is a broken stream, with the system's error as its cause", function* (near, far) {
  far.raw.resetAndDestroy();
  const error = yield* caught(near.receive());
  expect(error).toBeInstanceOf(BrokenResourceError);
  expect((error as Error).cause).toMatchObject({ code: "ECONNRESET" });
  expect((error as Error).message).toMatch(/ECONNRESET/);
  // Told by receive, it is not told again by close.
  yield* near.close();
});

onPair("a reset breaks sending, with the system's error as its cause", function* (near, far) {
  far.raw.resetAndDestroy();
  while (!near.raw.closed) yield* sleep(1);
  for (let count = 0; count < 2; count++) {
    const error = yield* caught(near.send(bytes("x")));
    expect(error).toBeInstanceOf(BrokenResourceError);
    expect(((error as Error).cause as { code?: string }).code).toMatch(/ECONNRESET|EPIPE/);
  }
});

onPair("a reset of an idle connection does not make close fail", function* (near, far) {
  far.raw.resetAndDestroy();
  while (!near.raw.closed) yield* sleep(1);
  yield* near.close();
});

onPair("addresses are those of the two ends", function* (near, far) {
  expect(near.localAddress).toEqual(far.remoteAddress);
  expect(near.remoteAddress).toEqual(far.localAddress);
  expect(near.remoteAddress).toMatchObject({ host: "127.0.0.1", family: 4 });
});
