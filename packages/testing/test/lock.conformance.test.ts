/** Everything of ours that one at a time may hold keeps the rules of locks. */
import { CapacityLimiter, Condition, Lock, RLock, Semaphore } from "@anyloop/core";
import { type LockLike, lockConformance, ownedLockConformance, registerCases } from "@anyloop/testing";
import { describe, test } from "vitest";

const lockLikes: readonly [string, () => LockLike][] = [
  ["Lock", () => new Lock()],
  ["RLock", () => new RLock()],
  ["Semaphore", () => new Semaphore(1)],
  ["CapacityLimiter", () => new CapacityLimiter(1)],
  ["Condition", () => new Condition()],
];
for (const [name, make] of lockLikes) {
  describe(name, () => registerCases(test, lockConformance(make, { excludesStrands: name !== "RLock" })));
}

describe("Lock", () =>
  registerCases(
    test,
    ownedLockConformance(() => new Lock()),
  ));
describe("RLock", () =>
  registerCases(
    test,
    ownedLockConformance(() => new RLock()),
  ));
