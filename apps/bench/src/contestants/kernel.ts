/** anyloop on its own kernel, generator style. */
import { kernel } from "anyloop";
import type { Performances } from "../scenario.ts";
import { performancesOn } from "./anyloop.ts";
import { workloadsOn } from "./workloads/anyloop.ts";

const backend = kernel();

export const performances: Performances = { ...performancesOn(backend), ...workloadsOn(backend) };
