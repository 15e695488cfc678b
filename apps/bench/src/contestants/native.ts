/** anyloop on the host's promise jobs, generator style. */
import { native } from "anyloop";
import type { Performances } from "../scenario.ts";
import { performancesOn } from "./anyloop.ts";
import { workloadsOn } from "./workloads/anyloop.ts";

const backend = native();

export const performances: Performances = { ...performancesOn(backend), ...workloadsOn(backend) };
