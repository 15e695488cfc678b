/** Two promises, at most two at a time. There is nothing to cancel them with. */
import { setTimeout } from "node:timers/promises";
import pLimit from "p-limit";

const limit = pLimit(2);
await Promise.all([limit(() => setTimeout(1)), limit(() => setTimeout(1))]);
