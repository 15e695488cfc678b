/** A test that would run nowhere is refused: it would pass. */
import { type Coroutine, Lock, memoryStream, UsageError } from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import {
  backendConformance,
  byteStreamConformance,
  everyBackend,
  lockConformance,
  memoryByteStreamPair,
  objectStreamConformance,
  ownedLockConformance,
} from "@anyloop/testing";
import { expect, test } from "vitest";

function* body(): Coroutine<void> {}

test("options that leave no backend to run on, or no seed, are refused with a sentence", () => {
  const none: [options: Parameters<typeof everyBackend>[2], told: RegExp][] = [
    [{ backends: [] }, /^No kind of backend is given\. Give some of native, kernel, virtual, seeds\.$/],
    [{ backends: ["node" as never] }, /^node is no kind of backend\. /],
    [{ seeds: 0 }, /^seeds is 0\. /],
    [{ seeds: Number.NaN }, /^seeds is NaN\. /],
    [{ seed: 1.5 }, /^The seed is 1\.5\. /],
  ];
  for (const [options, told] of none) {
    expect(() => everyBackend("a test", body, options)).toThrow(UsageError);
    expect(() => everyBackend("a test", body, options)).toThrow(told);
  }
});

test("a suite wants what makes its subject, not the subject", () => {
  const attempts = [
    () => backendConformance(kernel() as never),
    () => lockConformance(new Lock() as never),
    () => ownedLockConformance(new Lock() as never),
    () => objectStreamConformance(memoryStream<number>() as never),
    () => byteStreamConformance(memoryByteStreamPair() as never),
  ];
  for (const attempted of attempts) expect(attempted).toThrow(/takes a function that makes what is to be/);
});
