/** The kernel backend: see `kernel()`. */
export { VirtualClock } from "./clock.ts";
export { detectHost, type Host } from "./host.ts";
export { type Kernel, kernel, type KernelOptions } from "./kernel.ts";
