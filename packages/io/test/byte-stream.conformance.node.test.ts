/**
 * Every byte stream of io keeps the rules that all do. On real clocks: virtual time stands still while the system works.
 * What a system buffers grows while it is filled, so that sends wait on sockets is tested in `streams.node.test.ts`.
 */
import { byteStreamConformance, registerCases } from "@anyloop/testing";
import { describe, test } from "vitest";
import { isBun } from "./each.ts";
import { tcpPair, tlsInMemoryPair, tlsPair, unixPair } from "./pairs.ts";

const isDeno = "Deno" in globalThis;
const backends = ["native", "kernel"] as const;

describe.each([
  ["TCP", tcpPair],
  ["Unix", unixPair],
] as const)("%s", (_, open) =>
  registerCases(
    test,
    byteStreamConformance(() => open(), { backends, bounded: false }),
  ),
);

/** What TLS does otherwise, by the beginning of the rule. Half closes and cut connections of Bun and Deno: see docs/io.md. */
const otherwise: Readonly<Record<string, string>> = {
  "a cancelled close closes, and then": "the peer of TLS is told that it was cut off",
  ...(isBun || isDeno ? { "after sendEof the other end": "its TLS ends both directions at once" } : {}),
  ...(isDeno
    ? {
        "what was sent before a close": "it resets connections that are closed soon after a write",
        "the other end closes while a receive": "it resets connections that are closed soon after a write",
      }
    : {}),
};

function reasonFor(name: string): string | undefined {
  return Object.entries(otherwise).find(([rule]) => name.startsWith(rule))?.[1];
}

describe.each([
  ["TLS over TCP", tlsPair],
  ["TLS in memory", tlsInMemoryPair],
] as const)("%s", (_, open) =>
  registerCases(
    test,
    byteStreamConformance(() => open(), { backends, bounded: !isBun && !isDeno }).map((conformance) => ({
      ...conformance,
      skipped: conformance.skipped ?? reasonFor(conformance.name),
    })),
  ),
);
