/**
 * What every stream of objects keeps to, whatever carries it: items in order, each once, whoever is cancelled; an orderly
 * end, and clear errors. Run by memory streams, stapled streams and a queue behind an adapter.
 */
import { type Body, EndOfStream, moveOnAfter, sleepForever, type TaskGroup, taskGroup } from "@anyloop/core";
import type { MatrixOptions } from "../matrix.ts";
import { boundedRules, cancelRules, endRules, type ObjectPair, orderRules } from "./object-stream-rules.ts";
import { checkSame, checkThrows } from "./check.ts";
import { casesOf, checkMaker, type ConformanceCase, type Rule } from "./suite.ts";
import { withPair } from "./pair.ts";

export interface ObjectStreamConformanceOptions extends MatrixOptions {
  /** A sender has to wait sooner or later if nobody receives; true if not given. */
  readonly bounded?: boolean | undefined;
}

/**
 * The rules of object streams, as test cases. `makePair` makes a fresh pair at each call; what has to run beside it goes
 * into the group that it is given, which is cancelled at the end.
 */
export function objectStreamConformance(
  makePair: Body<ObjectPair, [group: TaskGroup]>,
  { bounded = true, ...options }: ObjectStreamConformanceOptions = {},
): ConformanceCase[] {
  checkMaker(makePair, "objectStreamConformance");
  const rules: Rule[] = [...orderRules, ...cancelRules, ...endRules, ...(bounded ? boundedRules : [])].map(
    ({ body, ...rest }) => ({ ...rest, body: () => withPair(makePair, body) }),
  );
  return casesOf([...rules, ...asyncRules(makePair)], options);
}

function asyncRules(makePair: Body<ObjectPair, [group: TaskGroup]>): Rule[] {
  return [
    {
      rule: "items are read with for await, and break leaves the stream open",
      isAsync: true,
      body: () =>
        withPair(makePair, async ([send, receive]) => {
          const got: number[] = [];
          await taskGroup(async (group) => {
            group.startSoon(async () => {
              for (let item = 0; item < 4; item++) await send.send(item);
              await send.close();
            });
            for await (const item of receive) {
              got.push(item);
              if (item === 1) break;
            }
            for await (const item of receive) got.push(item);
          });
          checkSame(got, [0, 1, 2, 3], "What was received");
        }),
    },
    {
      rule: "closing in async style while cancelled closes",
      isAsync: true,
      body: () =>
        withPair(makePair, async ([send, receive]) => {
          await moveOnAfter(0, async () => {
            try {
              await sleepForever();
            } finally {
              await send.close();
            }
          });
          await checkThrows(receive.receive(), EndOfStream, "receive()");
        }),
    },
  ];
}
