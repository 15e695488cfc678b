/** The rules of bridges that take our items to a foreign side. */
import {
  type Body,
  BrokenResourceError,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  fromPromise,
  type TaskGroup,
  taskGroup,
} from "@anyloop/core";
import { checkpoint, hostTurn } from "@anyloop/core/lowlevel";
import { caused, givingUpAfter, hasCrossed, onBridge, settleTurns } from "./bridge-help.ts";
import type { OutwardBridge } from "./bridges.ts";
import {
  closeCancelled,
  check,
  checkError,
  checkSame,
  checkThrows,
  startWaiting,
  thrownBy,
} from "./check.ts";
import type { Rule } from "./suite.ts";

type Foreign = OutwardBridge["foreign"];

/** More items than a bridge holds for a foreign reader that does not come. */
const many = 1000;

/** Foreign code: reads to the end. */
async function readAll(foreign: Foreign, pause = async (): Promise<void> => {}): Promise<unknown[]> {
  const got: unknown[] = [];
  for (;;) {
    const { done, value } = await foreign.read();
    if (done) return got;
    got.push(value);
    await pause();
  }
}

function* sendUpTo({ ours }: OutwardBridge, count: number, sent: number[] = []): Coroutine<void> {
  for (let item = 0; item < count; item++) {
    yield* ours.send(item);
    sent.push(item);
  }
}

const rules: readonly { readonly rule: string; body(bridge: OutwardBridge): Coroutine<void> }[] = [
  {
    rule: "our items come to the foreign side in order, and then the end; nothing of the bridge is left there",
    *body(bridge) {
      const reading = readAll(bridge.foreign);
      yield* sendUpTo(bridge, 10);
      yield* bridge.ours.close();
      checkSame(yield* fromPromise(reading), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "What was read");
      checkSame(bridge.foreign.listeners(), 0, "Listeners after the end");
    },
  },
  {
    rule: "a send that was cancelled put nothing, and every other item comes once and in order",
    *body({ ours, foreign }) {
      const sent: number[] = [];
      const reading = readAll(foreign, () => new Promise<void>(hostTurn));
      for (let item = 0; item < 30; item++) {
        yield* givingUpAfter(item % 4, function* () {
          yield* ours.send(item);
          sent.push(item);
        });
        yield* checkpoint();
      }
      yield* ours.close();
      checkSame(yield* fromPromise(reading), sent, "What was read of what was sent");
    },
  },
  {
    rule: "a send that waits and is cancelled put nothing",
    *body(bridge) {
      const sent: number[] = [];
      yield* taskGroup(function* (group) {
        const sender = yield* startWaiting(group, () => sendUpTo(bridge, many, sent));
        yield* settleTurns();
        sender.cancel();
        yield* sender.wait();
        const reading = readAll(bridge.foreign);
        yield* bridge.ours.close();
        checkSame(yield* fromPromise(reading), sent, "What was read of what was sent");
      });
    },
  },
  {
    rule: "our side is held back while the foreign side does not read",
    *body(bridge) {
      const sent: number[] = [];
      yield* taskGroup(function* (group) {
        const sender = yield* startWaiting(group, () => sendUpTo(bridge, many, sent));
        yield* settleTurns();
        const before = sent.length;
        check(before < many, `${String(many)} items were sent though nobody read any.`);
        for (let read = 0; sent.length === before; read++) {
          check(read <= before + 1, "The sender was not let go on.");
          yield* fromPromise(bridge.foreign.read());
          yield* settleTurns();
        }
        sender.cancel();
      });
    },
  },
  {
    rule: "the foreign side wants no more: Broken, with its reason (if it has one) as the cause, also for a send that waits",
    *body(bridge) {
      const reason = new Error("the foreign side wants no more");
      yield* taskGroup(function* (group) {
        const sending = new CancelScope().run(() => sendUpTo(bridge, many));
        const sender = yield* startWaiting(group, thrownBy(sending, "The send that waits"));
        yield* settleTurns();
        bridge.foreign.cancel(reason);
        for (const error of [yield* sender.join(), yield* thrownBy(bridge.ours.send(0), "send()")]) {
          checkError(error, BrokenResourceError, "send() after the foreign side has gone");
          check(
            bridge.foreign.givesReasons === false ||
              hasCrossed(bridge.foreign, (error as Error).cause, reason),
            "The cause is not the reason of the foreign side.",
          );
        }
      });
      checkSame(bridge.foreign.listeners(), 0, "Listeners after the foreign side has gone");
    },
  },
  {
    rule: "our failure comes to the foreign side, as its error or the cause of that",
    *body({ foreign, fail }) {
      const boom = new Error("our side failed");
      const reading = readAll(foreign).then(
        () => undefined,
        (error: unknown) => error,
      );
      yield* settleTurns();
      fail(boom);
      const error = yield* fromPromise(reading);
      check(
        caused(error, (cause) => hasCrossed(foreign, cause, boom)),
        `The foreign side was told ${String(error)}.`,
      );
      checkSame(foreign.listeners(), 0, "Listeners after our failure");
    },
  },
  {
    rule: "of those who wait to send, whoever is cancelled passes the room on to the next",
    *body(bridge) {
      const sent: number[] = [];
      yield* taskGroup(function* (group) {
        const first = yield* startWaiting(group, () => sendUpTo(bridge, many, sent));
        yield* settleTurns();
        const second = yield* startWaiting(group, bridge.ours.send(-1));
        first.cancel();
        const reading = readAll(bridge.foreign);
        yield* second.join();
        yield* bridge.ours.close();
        checkSame(yield* fromPromise(reading), [...sent, -1], "What was read of what was sent");
      });
    },
  },
  {
    rule: "a send that waits is woken by closing our end, and has put nothing",
    *body(bridge) {
      const { foreign, ours } = bridge;
      const sent: number[] = [];
      yield* taskGroup(function* (group) {
        const sending = thrownBy(
          new CancelScope().run(() => sendUpTo(bridge, many, sent)),
          "The send that waits",
        );
        const sender = yield* startWaiting(group, sending);
        yield* settleTurns();
        const closing = group.startSoon(ours.close());
        checkError(yield* sender.join(), ClosedResourceError, "The send that waits");
        checkSame(yield* fromPromise(readAll(foreign)), sent, "What was read of what was sent");
        yield* closing.join();
      });
      checkSame(foreign.listeners(), 0, "Listeners after closing");
    },
  },
  {
    rule: "closed while cancelled, our end ends the foreign reading, and can send no more",
    *body({ ours, foreign }) {
      const reading = readAll(foreign);
      yield* closeCancelled(ours);
      checkSame(yield* fromPromise(reading), [], "What was read");
      yield* checkThrows(ours.send(1), ClosedResourceError, "send() after close()");
      checkSame(foreign.listeners(), 0, "Listeners after closing");
    },
  },
];

export function outwardRules(make: Body<OutwardBridge, [group: TaskGroup]>): Rule[] {
  return onBridge(make, rules);
}
