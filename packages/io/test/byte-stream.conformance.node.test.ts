/**
 * Every byte stream of io keeps the rules that all do. On real clocks: virtual time stands still while the system works.
 * What a system buffers grows while it is filled, so that sends wait on sockets is tested in `streams.node.test.ts`.
 */
import { byteStreamConformance, registerCases } from "@anyloop/testing";
import { describe, test } from "vitest";
import { tcpPair, tlsInMemoryPair, tlsPair, unixPair } from "./pairs.ts";

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

/** A cancelled close is not graceful: TLS tells its peer from that that it was cut off, where others tell of an end. */
const cutOff = "a cancelled close closes, and then the cancellation is thrown";

describe.each([
  ["TLS over TCP", tlsPair],
  ["TLS in memory", tlsInMemoryPair],
] as const)("%s", (_, open) =>
  registerCases(
    test,
    byteStreamConformance(() => open(), { backends }).map((conformance) =>
      conformance.name.startsWith(cutOff)
        ? { ...conformance, skipped: "the peer of TLS is told that it was cut off" }
        : conformance,
    ),
  ),
);
