import type { Performances } from "../scenario.ts";

export const performances: Performances = {};
