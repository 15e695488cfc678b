/** Our backends keep the rules of backends. */
import { kernel, VirtualClock } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { backendConformance, registerCases } from "@anyloop/testing";
import { test } from "vitest";

registerCases(test, backendConformance(native));
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
