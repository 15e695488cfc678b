/** anyloop on the host's promise jobs, generator style. */
import { native } from "anyloop";
import type { Performances } from "../scenario.ts";
import { performancesOn } from "./anyloop.ts";

export const performances: Performances = performancesOn(native());
