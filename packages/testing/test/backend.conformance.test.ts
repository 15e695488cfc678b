/** Our backends keep the rules of backends. */
import { kernel, VirtualClock } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { backendConformance, registerCases } from "@anyloop/testing";
import { test } from "vitest";

/** native's timers are the host's own, which fire a little early or late each for itself. */
const unordered = [
  "timers fire in order of their deadlines, those of one deadline in order of registration",
  "of what is due in one turn operations come before deadlines",
  "many timers, set and cancelled in any order, fire once each and in order",
  "what is due together with a deadline completes",
];
registerCases(
  test,
  backendConformance(native).map((each) =>
    unordered.some((rule) => each.name.startsWith(rule))
      ? { ...each, skipped: "the host's timers keep no order within a millisecond" }
      : each,
  ),
);
registerCases(test, backendConformance(kernel));
registerCases(
  test,
  backendConformance(() => kernel({ clock: new VirtualClock() }), { label: "kernel, virtual time" }),
);
for (const seed of [1, 2, 3]) {
  registerCases(
    test,
    backendConformance(() => kernel({ seed }), { label: `kernel, seed ${String(seed)}`, keepsOrder: false }),
  );
}
