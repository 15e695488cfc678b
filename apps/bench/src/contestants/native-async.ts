/** anyloop on the host's promise jobs, async style. */
import { native } from "anyloop";
import type { Performances } from "../scenario.ts";
import { performancesOn } from "./anyloop-async.ts";

export const performances: Performances = performancesOn(native());
