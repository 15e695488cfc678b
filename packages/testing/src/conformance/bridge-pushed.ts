/** The rules of bridges from a foreign side that cannot be held back. */
import {
  type Body,
  BrokenResourceError,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  forEach,
  fromPromise,
  run,
  sleepForever,
  type TaskGroup,
  taskGroup,
} from "@anyloop/core";
import { checkpoint, hostTurn } from "@anyloop/core/lowlevel";
import { columnsOf, type MatrixOptions } from "../matrix.ts";
import { givingUpAfter, onBridge, settleTurns } from "./bridge-help.ts";
import type { PushedBridge } from "./bridges.ts";
import {
  check,
  checkError,
  checkSame,
  checkThrows,
  closeCancelled,
  startWaiting,
  thrownBy,
} from "./check.ts";
import { caseOf, type ConformanceCase, type Rule } from "./suite.ts";

type Make = Body<PushedBridge, [group: TaskGroup]>;

/** Receives so many items. */
function* receiveSome({ ours }: PushedBridge, count: number): Coroutine<number[]> {
  const got: number[] = [];
  while (got.length < count) got.push(yield* ours.receive());
  return got;
}

const rules: readonly { readonly rule: string; body(bridge: PushedBridge): Coroutine<void> }[] = [
  {
    rule: "what is emitted in one go comes in order, each item once",
    *body(bridge) {
      const { capacity, foreign } = bridge;
      const items = [...Array(capacity).keys()];
      for (const item of items) foreign.emit(item);
      checkSame(yield* receiveSome(bridge, capacity), items, "What was received");
    },
  },
  {
    rule: "every emitted item comes once and in order, whoever gives up waiting at whatever moment",
    *body({ ours, foreign }) {
      const got: number[] = [];
      const emitting = (async () => {
        for (let item = 0; item < 30; item++) {
          foreign.emit(item);
          await new Promise<void>(hostTurn);
        }
      })();
      for (let turn = 0; got.length < 30; turn++) {
        const next = yield* givingUpAfter(turn % 4, ours.next());
        if (next === undefined) yield* checkpoint();
        else got.push(next.value as number);
      }
      yield* fromPromise(emitting);
      checkSame(got, [...Array(30).keys()], "What was received");
    },
  },
  {
    rule: "an item that is emitted in the turn in which its receiver is cancelled is not lost",
    *body(bridge) {
      const got: number[] = [];
      yield* taskGroup(function* (group) {
        for (const item of [0, 1]) {
          const receiver = yield* startWaiting(group, function* () {
            got.push(yield* bridge.ours.receive());
            yield* sleepForever();
          });
          if (item === 0) receiver.cancel();
          bridge.foreign.emit(item);
          receiver.cancel();
          yield* receiver.wait();
          yield* settleTurns();
          if (got.length <= item) got.push(yield* bridge.ours.receive());
        }
      });
      checkSame(got, [0, 1], "What was received");
    },
  },
  {
    rule: "more than the buffer takes breaks the stream behind what waits, and nothing of the bridge is left",
    *body(bridge) {
      const { capacity, foreign, ours } = bridge;
      for (let item = 0; item <= capacity; item++) foreign.emit(item);
      yield* settleTurns();
      checkSame(foreign.listeners(), 0, "Listeners after the overflow");
      checkSame(yield* receiveSome(bridge, capacity), [...Array(capacity).keys()], "What was received");
      yield* checkThrows(ours.receive(), BrokenResourceError, "receive() after the overflow");
    },
  },
  {
    rule: "after the foreign end comes what waits, and then the end",
    *body(bridge) {
      const { foreign, ours } = bridge;
      if (foreign.end === undefined) return;
      const got: number[] = [];
      foreign.emit(1);
      foreign.end();
      yield* forEach(ours, (item) => void got.push(item));
      checkSame(got, [1], "What was received");
      yield* checkThrows(ours.receive(), EndOfStream, "receive() after the end");
      checkSame(foreign.listeners(), 0, "Listeners after the end");
    },
  },
  {
    rule: "a foreign failure is Broken, with the error as its cause, also for a receive that waits",
    *body({ foreign, ours }) {
      if (foreign.fail === undefined) return;
      const boom = new Error("the foreign side failed");
      yield* taskGroup(function* (group) {
        const receiver = yield* startWaiting(group, thrownBy(ours.receive(), "The receive that waits"));
        foreign.fail?.(boom);
        for (const error of [yield* receiver.join(), yield* thrownBy(ours.receive(), "receive()")]) {
          checkError(error, BrokenResourceError, "receive() after a foreign failure");
          check((error as Error).cause === boom, "The cause is not the error of the foreign side.");
        }
      });
      checkSame(foreign.listeners(), 0, "Listeners after a failure");
    },
  },
  {
    rule: "closing our end wakes a receive that waits, and takes everything of the bridge off the foreign side",
    *body({ foreign, ours }) {
      check(foreign.listeners() > 0, "There is nothing of the bridge to be counted.");
      yield* taskGroup(function* (group) {
        yield* startWaiting(
          group,
          checkThrows(ours.receive(), ClosedResourceError, "The receive that waits"),
        );
        yield* ours.close();
      });
      checkSame(foreign.listeners(), 0, "Listeners after closing");
    },
  },
  {
    rule: "closed while cancelled, our end takes everything of the bridge off the foreign side",
    *body({ foreign, ours }) {
      yield* closeCancelled(ours);
      yield* settleTurns();
      checkSame(foreign.listeners(), 0, "Listeners after closing");
    },
  },
];

export function pushedRules(make: Make): Rule[] {
  return onBridge(make, rules);
}

/** Whoever emits events is told nothing; there must be nobody left to hear them. */
export function silentAfterTheRun(make: Make, options: MatrixOptions): ConformanceCase[] {
  const rule = "after the run nothing of the bridge is left on the foreign side";
  return columnsOf({ ...options, seeds: 1 }).map((column) =>
    caseOf(rule, column.label, async (signal) => {
      for (const { makeBackend } of column.attempts) {
        let bridge: PushedBridge | undefined;
        const main = taskGroup(function* (group) {
          bridge = (yield* new CancelScope().run(() => make(group))) as PushedBridge;
          group.cancel();
        });
        await run(main, { backend: makeBackend(), signal });
        checkSame(bridge?.foreign.listeners(), 0, "Listeners after the run");
      }
    }),
  );
}
