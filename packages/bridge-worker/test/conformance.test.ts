/** Streams over a port keep the rules of bridges and of object streams, with the ports of whatever runs the tests. */
import { closeWith } from "@anyloop/bridge";
import { portStream } from "@anyloop/bridge-worker";
import { run, type TaskGroup } from "@anyloop/core";
import {
  bridgeConformance,
  type InwardBridge,
  objectStreamConformance,
  type OutwardBridge,
  registerCases,
} from "@anyloop/testing";
import "anyloop";
import { describe, test } from "vitest";
import { portPair } from "./ports.ts";

const ignore = (): void => {};

function inward(group: TaskGroup): InwardBridge {
  const [here, there] = portPair();
  const theirs = portStream<number>(there, { capacity: 4 });
  return {
    ours: closeWith(group, portStream<number>(here, { capacity: 4 })),
    foreign: {
      write: (item) => run(theirs.send(item)),
      end: () => void run(theirs.close()).catch(ignore),
      fail: (error) => theirs.fail(error),
      isToldToStop: () => there.listeners === 0,
      listeners: () => here.listeners,
      copiesErrors: true,
    },
  };
}

function outward(): OutwardBridge {
  const [here, there] = portPair();
  const theirs = portStream<number>(there, { capacity: 4 });
  const ours = portStream<number>(here, { capacity: 4 });
  return {
    ours,
    fail: (error) => ours.fail(error),
    foreign: {
      read: () => run(theirs.next()).then(({ done, value }) => ({ done: done === true, value })),
      cancel: (reason) => theirs.fail(reason),
      listeners: () => here.listeners,
      copiesErrors: true,
    },
  };
}

describe("a stream from a port", () =>
  registerCases(test, bridgeConformance({ inward, outward }, { seeds: 3 })));

for (const capacity of [1, 3]) {
  describe(`two ends of a stream over ports, capacity ${String(capacity)}`, () =>
    registerCases(
      test,
      objectStreamConformance(
        () => {
          const [left, right] = portPair();
          return [portStream<number>(left, { capacity }), portStream<number>(right, { capacity })];
        },
        { seeds: 3 },
      ),
    ));
}
