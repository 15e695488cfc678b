/** anyloop on its own kernel, generator style. */
import { kernel } from "anyloop";
import type { Performances } from "../scenario.ts";
import { performancesOn } from "./anyloop.ts";

export const performances: Performances = performancesOn(kernel());
