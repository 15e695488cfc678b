/** Tools for testing code built on anyloop. */
export { RunawayError } from "./attempt.ts";
export { cancelEverywhere, type Cancellations } from "./cancel-everywhere.ts";
export { assertCheckpoints, assertNoCheckpoints, CheckpointError } from "./checkpoints.ts";
export { everyBackend, type EveryBackendOptions, type TestCase } from "./every-backend.ts";
export { type Exploration, explore, type ExploreOptions, type OneRunOptions, replay } from "./explore.ts";
export {
  type ByteStreamHooks,
  lockstepByteStreamPair,
  type MemoryByteStream,
  memoryByteStreamPair,
} from "./memory-byte-stream.ts";
export type { MemoryConnection } from "./memory-connection.ts";
export type { MemoryListener } from "./memory-listener.ts";
export { type MemoryHost, MemoryNetwork, type MemoryNetworkOptions, type Route } from "./memory-network.ts";
export type { ResolvedAddress, SocketAddress } from "./network-address.ts";
export { openTaskReport } from "./open-task-report.ts";
export { ScheduleFailure } from "./schedule-failure.ts";
export { Sequencer } from "./sequencer.ts";
export type { Explored, Victim } from "./victim.ts";
export { waitAllTasksBlocked } from "./wait-all-tasks-blocked.ts";
