/** Our streams of bytes keep the rules that all do. */
import { BufferedByteStream, type ByteStream, stapled } from "@anyloop/core";
import { byteStreamConformance, registerCases } from "@anyloop/testing";
import { describe, test } from "vitest";
import { bytePair } from "./byte-pair.ts";

const pairs: readonly [string, () => readonly [ByteStream, ByteStream]][] = [
  ["a byte stream in memory", () => bytePair(2)],
  ["a byte stream in memory that hands over directly", () => bytePair(0)],
  [
    "BufferedByteStream",
    () => {
      const [left, right] = bytePair(2);
      return [new BufferedByteStream(left), new BufferedByteStream(right)];
    },
  ],
  [
    "stapled()",
    () => {
      const [toRight, fromLeft] = bytePair(1);
      const [toLeft, fromRight] = bytePair(1);
      return [stapled(toRight, fromRight), stapled(toLeft, fromLeft)];
    },
  ],
];
for (const [name, makePair] of pairs) {
  describe(name, () => registerCases(test, byteStreamConformance(makePair, { seeds: 5 })));
}
describe("a byte stream in memory without bounds", () =>
  registerCases(
    test,
    byteStreamConformance(() => bytePair(Infinity), { seeds: 2, bounded: false }),
  ));
