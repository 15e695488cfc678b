/** A websocket keeps to what every stream of objects keeps to. */
import {
  type Body,
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
import { pairIn } from "./pairs.ts";

/** Numbers over a websocket, each so large that senders wait before the system's buffers have swallowed the whole test. */
class Numbers extends ReceiveStreamBase<number> implements ObjectStream<number> {
  private readonly messages: WebSocketStream;

  constructor(messages: WebSocketStream) {
    super();
    this.messages = messages;
  }

  send(item: number): Operation<void> {
    return this.messages.send(String(item).padEnd(60_000));
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

/** `closeTimeout`: the rules for full streams close one end while the other does not read, which is waited for. */
const numbersFrom = (
  from: "client" | "server",
  closeTimeout: number,
): Body<readonly [Numbers, Numbers], [TaskGroup]> =>
  operation(function* pair(group: TaskGroup): Coroutine<readonly [Numbers, Numbers]> {
    const { client, server } = yield* pairIn(group, { client: { closeTimeout }, server: { closeTimeout } });
    const [send, receive] = from === "client" ? [client, server] : [server, client];
    return [new Numbers(send), new Numbers(receive)];
  }) as Body<readonly [Numbers, Numbers], [TaskGroup]>;

for (const from of ["client", "server"] as const) {
  describe(`from the ${from}`, () => {
    registerCases(test, objectStreamConformance(numbersFrom(from, 100), { backends: ["native", "kernel"] }));
  });
  // A virtual clock stands still while somebody waits for a socket, so nothing may depend on a timeout there.
  describe(`from the ${from}, in virtual time`, () => {
    registerCases(
      test,
      objectStreamConformance(numbersFrom(from, Infinity), {
        backends: ["virtual", "seeds"],
        seeds: 2,
        bounded: false,
      }),
    );
  });
}
