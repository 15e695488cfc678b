/** What every world can use, and what bridges to other worlds are built on. */
export { closeWith } from "./close-with.ts";
export { type BridgeReceiveStream, type BridgeSendStream, receivingEnd, sendingEnd } from "./ends.ts";
export { failureOf, reasonOf } from "./foreign-end.ts";
export { forward } from "./forward.ts";
export { type BufferOptions, Inlet, type Leaving } from "./inlet.ts";
export type { Withdraw } from "./line.ts";
export { Outlet } from "./outlet.ts";
export { BufferOverflowError } from "./overflow.ts";
export { type CallOptions, openPortal, type Portal } from "./portal.ts";
export type { SignalOptions } from "./promised.ts";
export { UniversalEvent } from "./universal-event.ts";
export {
  UniversalQueue,
  type UniversalQueueOptions,
  type UniversalQueueStatistics,
} from "./universal-queue.ts";
export { UniversalResult } from "./universal-result.ts";
