/** A websocket keeps to what every stream of objects keeps to. */
import {
  type TaskGroup,
  type ObjectStream,
  type Operation,
  operation,
  perform,
  type Coroutine,
} from "@anyloop/core";
import { ReceiveStreamBase } from "@anyloop/core/lowlevel";
import type { WebSocketStream } from "@anyloop/http";
import { objectStreamConformance, registerCases } from "@anyloop/testing";
import { describe, test } from "vitest";
import { isBun } from "../../../../tools/test-support/each-real.ts";
import { type Ends, memoryPairIn, pairIn } from "./pairs.ts";

/** Numbers over a websocket, each so large that one fills the peer's store, and one more every buffer in between. */
class Numbers extends ReceiveStreamBase<number> implements ObjectStream<number> {
  private readonly messages: WebSocketStream;

  constructor(messages: WebSocketStream) {
    super();
    this.messages = messages;
  }

  send(item: number): Operation<void> {
    return this.messages.send(String(item).padEnd(200_000));
  }

  receive(): Operation<number> {
    return perform(this, this.doReceive);
  }

  sendEof(): Operation<void> {
    return this.messages.sendEof();
  }

  close(): Operation<void> {
    return this.messages.close();
  }

  private *doReceive(): Coroutine<number> {
    return Number(yield* this.messages.receive());
  }
}

function numbersFrom(from: "client" | "server", makePair: (group: TaskGroup) => Operation<Ends>) {
  return operation(function* pair(group: TaskGroup): Coroutine<readonly [Numbers, Numbers]> {
    const { client, server } = yield* makePair(group);
    const [send, receive] = from === "client" ? [client, server] : [server, client];
    return [new Numbers(send), new Numbers(receive)];
  });
}

/** The rules for full streams close one end while the other does not read, and that is waited for. */
const impatient = { closeTimeout: 100 };
const pairInMemory = (group: TaskGroup): Operation<Ends> =>
  memoryPairIn(group, { client: impatient, server: impatient });

for (const from of ["client", "server"] as const) {
  describe.skipIf(isBun)(`over sockets, from the ${from}`, () => {
    // The system's buffers take more, and give back later, than the rules for full streams allow for.
    registerCases(test, objectStreamConformance(numbersFrom(from, pairIn), { seeds: 2, bounded: false }));
  });
  describe.skipIf(isBun)(`in memory, from the ${from}`, () => {
    // A virtual clock stands still while somebody waits for a socket, so nothing may depend on a timeout there.
    registerCases(
      test,
      objectStreamConformance(numbersFrom(from, pairInMemory), { backends: ["native", "kernel"] }),
    );
  });
}
