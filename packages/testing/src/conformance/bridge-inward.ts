/** The rules of bridges that bring foreign items to us. */
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
  RunFinishedError,
  sleepForever,
  type TaskGroup,
  taskGroup,
} from "@anyloop/core";
import { checkpoint, hostTurn } from "@anyloop/core/lowlevel";
import { columnsOf, type MatrixOptions } from "../matrix.ts";
import {
  caused,
  hasCrossed,
  givingUpAfter,
  onBridge,
  settleTurns,
  settleTurnsOutside,
} from "./bridge-help.ts";
import type { InwardBridge } from "./bridges.ts";
import {
  closeCancelled,
  check,
  checkError,
  checkSame,
  checkThrows,
  startWaiting,
  thrownBy,
} from "./check.ts";
import { caseOf, type ConformanceCase, type Rule } from "./suite.ts";

type Make = Body<InwardBridge, [group: TaskGroup]>;
type Foreign = InwardBridge["foreign"];

/** More items than a bridge holds for a reader that does not come. */
const many = 1000;

/** Foreign code: writes 0, 1, 2, …, one after the other, until it is refused. */
async function writeUpTo(
  foreign: Foreign,
  count: number,
  onWritten: (item: number) => void = () => {},
): Promise<void> {
  for (let item = 0; item < count; item++) {
    await foreign.write(item);
    onWritten(item);
  }
}

function* receiveAll({ ours }: InwardBridge, into: number[]): Coroutine<void> {
  yield* forEach(ours, (item) => void into.push(item));
}

const rules: readonly { readonly rule: string; body(bridge: InwardBridge): Coroutine<void> }[] = [
  {
    rule: "foreign items come in order, and then the end; nothing of the bridge is left there",
    *body(bridge) {
      const got: number[] = [];
      const writing = writeUpTo(bridge.foreign, 10).then(() => bridge.foreign.end());
      yield* receiveAll(bridge, got);
      yield* fromPromise(writing);
      checkSame(got, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "What was received");
      yield* checkThrows(bridge.ours.receive(), EndOfStream, "receive() after the end");
      checkSame(bridge.foreign.listeners(), 0, "Listeners after the end");
    },
  },
  {
    rule: "foreign callbacks may call in from anywhere, also while we wait",
    *body({ ours, foreign }) {
      // Whether another would be taken is of no interest here.
      setTimeout(() => void Promise.resolve(foreign.write(7)).catch(() => {}), 1);
      checkSame(yield* ours.receive(), 7, "What was received");
    },
  },
  {
    rule: "every foreign item comes once and in order, whoever gives up waiting at whatever moment",
    *body({ ours, foreign }) {
      const got: number[] = [];
      const writing = (async () => {
        for (let item = 0; item < 30; item++) {
          await foreign.write(item);
          await new Promise<void>(hostTurn);
        }
        foreign.end();
      })();
      for (let turn = 0; ; turn++) {
        const next = yield* givingUpAfter(turn % 4, ours.next());
        if (next === undefined) yield* checkpoint();
        else if (next.done === true) break;
        else got.push(next.value);
      }
      yield* fromPromise(writing);
      checkSame(got, [...Array(30).keys()], "What was received");
    },
  },
  {
    rule: "a foreign item that comes in the turn in which its receiver is cancelled is not lost",
    *body(bridge) {
      const got: number[] = [];
      yield* taskGroup(function* (group) {
        for (const item of [0, 1, 2]) {
          const receiver = yield* startWaiting(group, function* () {
            got.push(yield* bridge.ours.receive());
            yield* sleepForever();
          });
          if (item === 0) receiver.cancel();
          const writing = Promise.resolve(bridge.foreign.write(item)).catch(() => {});
          if (item === 1) receiver.cancel();
          // Some way of the item on the foreign side is behind it, and the rest before.
          if (item === 2) yield* fromPromise(Promise.resolve());
          receiver.cancel();
          yield* receiver.wait();
          yield* settleTurns();
          if (got.length <= item) got.push(yield* bridge.ours.receive());
          yield* fromPromise(writing);
        }
      });
      checkSame(got, [0, 1, 2], "What was received");
    },
  },
  {
    rule: "of those who wait to receive, whoever is cancelled leaves the item to the next",
    *body({ ours, foreign }) {
      yield* taskGroup(function* (group) {
        const first = yield* startWaiting(group, ours.receive());
        const second = yield* startWaiting(group, ours.receive());
        const third = yield* startWaiting(group, ours.receive());
        first.cancel();
        const writing = (async () => {
          await foreign.write(1);
          await foreign.write(2);
        })().catch(() => {});
        checkSame([yield* second.join(), yield* third.join()], [1, 2], "What they received, in turn");
        checkSame(first.status, "cancelled", "What became of the first");
        yield* ours.close();
        yield* fromPromise(writing);
      });
    },
  },
  {
    rule: "the foreign side is held back while nobody receives",
    *body({ ours, foreign }) {
      const written: number[] = [];
      const writing = writeUpTo(foreign, many, (item) => void written.push(item)).catch(() => {});
      yield* settleTurns();
      const before = written.length;
      check(before < many, `${String(many)} items were taken though nobody received any.`);
      for (let received = 0; written.length === before; received++) {
        check(received <= before + 1, "The foreign side was not let go on.");
        yield* ours.receive();
        yield* settleTurns();
      }
      yield* ours.close();
      yield* fromPromise(writing);
    },
  },
  {
    rule: "a foreign failure is Broken, with the error as its cause, also for a receive that waits",
    *body(bridge) {
      const boom = new Error("the foreign side failed");
      yield* taskGroup(function* (group) {
        const receiver = yield* startWaiting(
          group,
          thrownBy(bridge.ours.receive(), "The receive that waits"),
        );
        bridge.foreign.fail(boom);
        for (const error of [yield* receiver.join(), yield* thrownBy(bridge.ours.receive(), "receive()")]) {
          checkError(error, BrokenResourceError, "receive() after a foreign failure");
          check(
            hasCrossed(bridge.foreign, (error as Error).cause, boom),
            "The cause is not the error of the foreign side.",
          );
        }
      });
      checkSame(bridge.foreign.listeners(), 0, "Listeners after a failure");
    },
  },
  {
    rule: "closing our end tells the foreign side, and takes everything of the bridge off it",
    *body({ ours, foreign }) {
      const writing = writeUpTo(foreign, many).then(
        () => "taken",
        () => "refused",
      );
      yield* ours.receive();
      yield* ours.close();
      checkSame(yield* fromPromise(writing), "refused", "What became of the foreign writes");
      check(foreign.isToldToStop(), "The foreign side was not told that our end was closed.");
      checkSame(foreign.listeners(), 0, "Listeners after closing");
    },
  },
  {
    rule: "a receive that waits is woken by closing our end",
    *body({ ours, foreign }) {
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
    *body({ ours, foreign }) {
      yield* closeCancelled(ours);
      yield* settleTurns();
      check(foreign.isToldToStop(), "The foreign side was not told that our end was closed.");
      checkSame(foreign.listeners(), 0, "Listeners after closing");
    },
  },
];

export function inwardRules(make: Make): Rule[] {
  return onBridge(make, rules);
}

/** What a foreign side is told that calls in after the run. */
export function afterTheRun(make: Make, options: MatrixOptions): ConformanceCase[] {
  const rule =
    "a foreign call after the run has ended is refused, by RunFinishedError where reasons can be told";
  return columnsOf({ ...options, seeds: 1 }).map((column) =>
    caseOf(rule, column.label, async (signal) => {
      for (const { makeBackend } of column.attempts) {
        let foreign: Foreign | undefined;
        const main = taskGroup(function* (group) {
          ({ foreign } = (yield* new CancelScope().run(() => make(group))) as InwardBridge);
          group.cancel();
        });
        await run(main, { backend: makeBackend(), signal });
        // To another thread or process the news has a way to go.
        if (foreign?.copiesErrors === true) await settleTurnsOutside();
        const error = await refusal(foreign as Foreign);
        const isRefused =
          foreign?.hearsReasons === false
            ? error !== undefined
            : caused(error, (cause) => cause instanceof RunFinishedError);
        check(isRefused, `write() gave ${String(error)}.`);
        // What the foreign side was told it deals with in a turn of its own.
        await new Promise<void>(hostTurn);
        checkSame(foreign?.listeners(), 0, "Listeners after the run");
      }
    }),
  );
}

/** What a write is rejected with; undefined if it is taken. */
async function refusal(foreign: Foreign): Promise<unknown> {
  try {
    await foreign.write(1);
  } catch (error) {
    return error;
  }
  return undefined;
}
