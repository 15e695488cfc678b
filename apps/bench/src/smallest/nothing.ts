/** Two timers and nothing else: what any program pays. */
import { setTimeout } from "node:timers/promises";

await Promise.all([setTimeout(1), setTimeout(1)]);
