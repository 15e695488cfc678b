/** The native backend: see `native()`. */
export { native, type NativeOptions } from "./native.ts";
