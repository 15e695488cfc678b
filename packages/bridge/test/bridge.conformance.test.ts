/** A universal queue between promise code and tasks keeps the rules of bridges, and between tasks those of streams. */
import { closeWith, receivingEnd, sendingEnd, UniversalQueue } from "@anyloop/bridge";
import type { TaskGroup } from "@anyloop/core";
import {
  bridgeConformance,
  type InwardBridge,
  objectStreamConformance,
  type OutwardBridge,
  registerCases,
} from "@anyloop/testing";
import { describe, test } from "vitest";

/** Whoever of either side still stands in the queue's lines. */
function waiting(queue: UniversalQueue<number>): number {
  const { waitingGet, waitingPut } = queue.statistics();
  return waitingGet + waitingPut;
}

function inward(group: TaskGroup): InwardBridge {
  const queue = new UniversalQueue<number>({ capacity: 4 });
  return {
    ours: closeWith(group, receivingEnd(queue)),
    foreign: {
      write: (item) => queue.putPromise(item),
      end: () => queue.end(),
      fail: (error) => queue.fail(error),
      isToldToStop: () => queue.isOver,
      listeners: () => waiting(queue),
    },
  };
}

async function read(queue: UniversalQueue<number>): Promise<{ done: boolean; value: number | undefined }> {
  try {
    return { done: false, value: await queue.getPromise() };
  } catch (error) {
    if ((error as Error).name === "EndOfStream") return { done: true, value: undefined };
    throw error;
  }
}

function outward(): OutwardBridge {
  const queue = new UniversalQueue<number>({ capacity: 4 });
  const ours = sendingEnd(queue);
  return {
    ours,
    fail: (error) => ours.fail(error),
    foreign: {
      read: () => read(queue),
      cancel: (reason) => queue.close(reason),
      listeners: () => waiting(queue),
    },
  };
}

describe("from promise code", () => registerCases(test, bridgeConformance({ inward }, { seeds: 5 })));
describe("to promise code", () => registerCases(test, bridgeConformance({ outward }, { seeds: 5 })));
describe("from task to task", () =>
  registerCases(
    test,
    objectStreamConformance(
      () => {
        const queue = new UniversalQueue<number>({ capacity: 1 });
        return [sendingEnd(queue), receivingEnd(queue)] as const;
      },
      // Not in virtual time: whoever waits for a universal queue holds the clock, so a timeout around it never comes.
      { backends: ["native", "kernel"] },
    ),
  ));
