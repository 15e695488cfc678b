/**
 * Effect's seven in effect 4.1, in the shape of its own benchmark of them: services in layers that are built anew for each
 * round, `Ref` for what is shared, typed errors in the error channel.
 */
import type { Performances } from "../../scenario.ts";
import { gated, requests, units } from "../../workloads.ts";
import { all } from "./effect-all.ts";
import { fanOut } from "./effect-fan-out.ts";
import { gate } from "./effect-gate.ts";
import { pipeline } from "./effect-pipeline.ts";
import { pool } from "./effect-pool.ts";
import { queue } from "./effect-queue.ts";
import { resilience } from "./effect-resilience.ts";
import { repeated } from "./repeated.ts";

export const workloads: Performances = {
  "workload-pipeline": repeated(requests, pipeline),
  "workload-fan-out": repeated(requests, fanOut),
  "workload-queue": repeated(requests, queue),
  "workload-resilience": repeated(requests, resilience),
  "workload-pool": repeated(units.count * units.queries, pool),
  "workload-gate": repeated(gated, gate),
  "workload-all": repeated(requests, all),
};
