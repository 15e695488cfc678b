/** Effect's seven core workloads: what each does, in words. The versions are in `contestants/workloads/`. */
import type { Scenario } from "./scenario.ts";

export const workloads: readonly Scenario[] = [];
