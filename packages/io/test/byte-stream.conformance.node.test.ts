/** Sockets, TLS and the pipes of processes keep the rules that all byte streams do. */
import { byteStreamConformance, type ConformanceCase, registerCases } from "@anyloop/testing";
import { describe, test } from "vitest";
import { gapHere, type Gaps } from "../../../tools/test-support/each-real.ts";
import { pipePair, tcpPair, tlsInMemoryPair, tlsInTlsPair, tlsPair, unixPair } from "./pairs.ts";

const kinds = [
  ["TCP", tcpPair],
  ["Unix", unixPair],
  ["TLS over TCP", tlsPair],
  ["TLS in memory", tlsInMemoryPair],
  ["TLS in TLS", tlsInTlsPair],
  ["the pipes of two processes", pipePair],
] as const;

const resets = "it resets connections that are closed soon after a write";
const endsBoth = "its TLS ends both directions at once";
const losesEnd = "its TLS loses the end now and then";

/** The rules, by their beginnings, that a runtime breaks for some kinds. */
const gaps: readonly (readonly [rule: string, kinds: RegExp, gaps: Gaps])[] = [
  ["after sendEof the other end reads", /^TLS/, { bun: endsBoth, deno: losesEnd }],
  ["what was sent before a close can be read", /^TLS (over TCP|in TLS)/, { deno: resets }],
  ["the other end closes while a receive waits", /^TLS (over TCP|in TLS)/, { deno: resets }],
];

function withGaps(each: ConformanceCase, kind: string): ConformanceCase {
  const known = gaps.find(([rule, ofKinds]) => each.name.startsWith(rule) && ofKinds.test(kind));
  const skipped = gapHere(known?.[2]);
  return skipped === undefined ? each : { ...each, skipped };
}

for (const [kind, makePair] of kinds) {
  describe(kind, () => {
    const cases = byteStreamConformance(makePair, { backends: ["native", "kernel"] });
    registerCases(
      test,
      cases.map((each) => withGaps(each, kind)),
    );
  });
}
