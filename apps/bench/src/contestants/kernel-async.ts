/** anyloop on its own kernel, async style. */
import { kernel } from "anyloop";
import type { Performances } from "../scenario.ts";
import { performancesOn } from "./anyloop-async.ts";

export const performances: Performances = performancesOn(kernel());
