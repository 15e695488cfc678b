/** Effect's seven in anyloop's generator style, on either backend: each round is a run of its own. */
import { type Backend, type Operation, run } from "anyloop";
import type { Perform, Performances } from "../../scenario.ts";
import { gated, requests, units } from "../../workloads.ts";
import { all } from "./anyloop-all.ts";
import { fanOut } from "./anyloop-fan-out.ts";
import { gate } from "./anyloop-gate.ts";
import { pipeline } from "./anyloop-pipeline.ts";
import { pool } from "./anyloop-pool.ts";
import { queue } from "./anyloop-queue.ts";
import { resilience } from "./anyloop-resilience.ts";
import { repeated } from "./repeated.ts";

export function workloadsOn(backend: Backend): Performances {
  const perform = (items: number, program: () => Operation<number>): Perform =>
    repeated(items, () => run(program(), { backend }));
  return {
    "workload-pipeline": perform(requests, pipeline),
    "workload-fan-out": perform(requests, fanOut),
    "workload-queue": perform(requests, queue),
    "workload-resilience": perform(requests, resilience),
    "workload-pool": perform(units.count * units.queries, pool),
    "workload-gate": perform(gated, gate),
    "workload-all": perform(requests, all),
  };
}
