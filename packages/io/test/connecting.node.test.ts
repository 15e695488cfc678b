/** Looking up and connecting. */
import { all, CancelScope, sleepForever } from "@anyloop/core";
import { ConnectError, connectTcp, listenTcp, resolve } from "@anyloop/io";
import { expect } from "vitest";
import { each } from "../../../tools/test-support/each-real.ts";
import { localhost, portOf } from "./sockets.ts";

each("localAddress chooses where a connection comes from", function* () {
  const listener = yield* listenTcp(0, localhost);
  const [near, far] = yield* all([
    connectTcp("127.0.0.1", portOf(listener), { localAddress: "127.0.0.3" }),
    listener.accept(),
  ]);
  expect(far.remoteAddress.host).toBe("127.0.0.3");
  yield* near.close();
  yield* far.close();
  yield* listener.close();
});

each("connecting can be cancelled, and leaves nothing", function* () {
  const scope = new CancelScope({ timeout: 20 });
  // Reserved for documentation: nobody answers, or there is no route.
  yield* scope.run(function* () {
    try {
      yield* connectTcp("192.0.2.1", 9);
    } catch (error) {
      if (error instanceof ConnectError) yield* sleepForever();
      throw error;
    }
  });
  expect(scope.cancelledCaught).toBe(true);
});

each("resolve gives addresses, and an address as itself", function* () {
  expect(yield* resolve("::1", 80)).toEqual([{ host: "::1", port: 80, family: 6 }]);
  const found = yield* resolve("localhost");
  expect(found.some(({ host }) => host === "127.0.0.1" || host === "::1")).toBe(true);
});
