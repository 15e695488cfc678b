/** The bridges to RxJS keep the rules of bridges, with its own subjects and observables. */
import { closeWith } from "@anyloop/bridge";
import { fromObservable, observable } from "@anyloop/bridge-rxjs";
import { Deque } from "@anyloop/core/lowlevel";
import type { TaskGroup } from "@anyloop/core";
import { bridgeConformance, type OutwardBridge, type PushedBridge, registerCases } from "@anyloop/testing";
import { Subject, type Subscription } from "rxjs";
import { describe, test } from "vitest";

const options = { seeds: 5 };
const capacity = 30;

function pushed(group: TaskGroup): PushedBridge {
  const subject = new Subject<number>();
  return {
    ours: closeWith(group, fromObservable(subject, { capacity })),
    capacity,
    foreign: {
      emit: (item) => subject.next(item),
      end: () => subject.complete(),
      fail: (error) => subject.error(error),
      listeners: () => (subject.observed ? 1 : 0),
    },
  };
}

type Read = { done: boolean; value: number | undefined };

/** Foreign code that subscribes when it first reads. */
function outward(): OutwardBridge {
  const [ours, numbers] = observable<number>();
  const items = new Deque<number>();
  let waiting: { resolve(read: Read): void; reject(error: unknown): void } | undefined;
  let end: { readonly error: unknown } | undefined;
  let subscription: Subscription | undefined;
  const settle = (): void => {
    if (waiting === undefined) return;
    const item = items.shift();
    if (item !== undefined) waiting.resolve({ done: false, value: item });
    else if (end === undefined) return;
    else if (end.error === undefined) waiting.resolve({ done: true, value: undefined });
    else waiting.reject(end.error);
    waiting = undefined;
  };
  const subscribe = (): Subscription =>
    numbers.subscribe({
      next(item) {
        items.push(item);
        settle();
      },
      error(error: unknown) {
        end = { error };
        settle();
      },
      complete() {
        end = { error: undefined };
        settle();
      },
    });
  return {
    ours,
    fail: (error) => ours.fail(error),
    foreign: {
      read: () =>
        new Promise((resolve, reject) => {
          waiting = { resolve, reject };
          subscription ??= subscribe();
          settle();
        }),
      cancel: () => (subscription ??= subscribe()).unsubscribe(),
      givesReasons: false,
      listeners: () => (subscription === undefined || subscription.closed ? 0 : 1),
    },
  };
}

describe("fromObservable", () => registerCases(test, bridgeConformance({ pushed }, options)));
describe("observable", () => registerCases(test, bridgeConformance({ outward }, options)));
