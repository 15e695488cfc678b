/** Our streams of objects keep the rules that all do. */
import { memoryStream, stapled } from "@anyloop/core";
import { objectStreamConformance, registerCases } from "@anyloop/testing";
import { describe, test } from "vitest";
import { queueStream } from "./queue-stream.ts";

for (const capacity of [0, 1, 3]) {
  describe(`memoryStream(${String(capacity)})`, () =>
    registerCases(
      test,
      objectStreamConformance(() => memoryStream<number>(capacity)),
    ));
}
describe("memoryStream(Infinity)", () =>
  registerCases(
    test,
    objectStreamConformance(() => memoryStream<number>(Infinity), { bounded: false }),
  ));
describe("stapled()", () =>
  registerCases(
    test,
    objectStreamConformance(() => {
      const [toRight, fromLeft] = memoryStream<number>(1);
      const [toLeft, fromRight] = memoryStream<number>(1);
      return [stapled(toRight, fromRight), stapled(toLeft, fromLeft)];
    }),
  ));
describe("a Queue behind an adapter", () =>
  registerCases(
    test,
    objectStreamConformance(() => queueStream(2)),
  ));
