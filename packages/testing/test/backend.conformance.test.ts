/** Our backends keep the rules of backends. */
import { kernel, VirtualClock } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { backendConformance, registerCases } from "@anyloop/testing";
import { test } from "vitest";

/** Its timers are the host's own, which fire in whatever order the host rounds their times to. */
const unordered = "many timers, set and cancelled in any order, fire once each and in order";
registerCases(
  test,
  backendConformance(native).map((each) =>
    each.name.startsWith(unordered)
      ? { ...each, skipped: "native's timers that are due in one turn come in the host's order" }
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
