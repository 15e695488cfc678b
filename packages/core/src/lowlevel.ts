/** The sharp tools, for whoever builds backends, streams and bridges. Everything of the main entry is here as well. */
export * from "./index.ts";
export type { Backend, Loop, LoopOptions, Runnable, Timer, TimerHandle } from "./backend.ts";
export { budget } from "./budget.ts";
export { setDebug } from "./debug.ts";
export { Deque } from "./deque.ts";
export type { TaskReport } from "./blocked.ts";
export { hostTurn } from "./host-turn.ts";
export { addInstrument, inspect } from "./inspect.ts";
export type { Instrument } from "./instruments.ts";
export { ParkingLot, type ParkingLotStatistics } from "./parking-lot.ts";
export {
  type AbortFn,
  checkpoint,
  checkpointIfCancelled,
  shieldedCheckpoint,
  suspend,
  type Waiter,
} from "./suspend.ts";
export { TimerEntry, TimerHeap } from "./timer-heap.ts";
export { suspendOnHost } from "./suspend-on-host.ts";
export { HostLeaf } from "./leaf.ts";
export type { Strand } from "./strand.ts";
export { closing, ReceiveStreamBase } from "./streams.ts";
export { replaceDefaultBackend } from "./run.ts";
export { whenBlocked } from "./when-blocked.ts";
