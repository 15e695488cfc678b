/** Who takes part. Each is loaded only in its own processes, so that nobody pays for, or profits from, another's code. */
import type { Performances } from "./scenario.ts";

export interface Contestant {
  readonly name: string;
  readonly load: () => Promise<{ readonly performances: Performances }>;
}

/** The floor: what the language itself does, without cancellation. Ratios are taken against it and against `us`. */
export const floor = "promises";
export const us = "kernel";

export const contestants: readonly Contestant[] = [
  { name: floor, load: () => import("./contestants/promises.ts") },
  { name: us, load: () => import("./contestants/kernel.ts") },
  { name: "native", load: () => import("./contestants/native.ts") },
  { name: "kernel async", load: () => import("./contestants/kernel-async.ts") },
  { name: "native async", load: () => import("./contestants/native-async.ts") },
  { name: "AbortController", load: () => import("./contestants/abort-controller.ts") },
  { name: "shared AbortSignal", load: () => import("./contestants/shared-abort-signal.ts") },
  { name: "effect", load: () => import("./contestants/effect.ts") },
  { name: "effection", load: () => import("./contestants/effection.ts") },
  { name: "rxjs", load: () => import("./contestants/rxjs.ts") },
  { name: "p-limit", load: () => import("./contestants/p-limit.ts") },
  { name: "p-map", load: () => import("./contestants/p-map.ts") },
  { name: "p-queue", load: () => import("./contestants/p-queue.ts") },
  { name: "async-mutex", load: () => import("./contestants/async-mutex.ts") },
  { name: "async-sema", load: () => import("./contestants/async-sema.ts") },
  { name: "@thi.ng/csp", load: () => import("./contestants/csp.ts") },
];
