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
export type { BackendKind, MatrixOptions } from "./matrix.ts";
export { waitAllTasksBlocked } from "./wait-all-tasks-blocked.ts";
export { lockConformance, type LockConformanceOptions, type LockLike } from "./conformance/lock.ts";
export {
  type ConformanceCase,
  ConformanceError,
  registerCases,
  type TestFunction,
} from "./conformance/suite.ts";
export { objectStreamConformance, type ObjectStreamConformanceOptions } from "./conformance/object-stream.ts";
export { byteStreamConformance, type ByteStreamConformanceOptions } from "./conformance/byte-stream.ts";
export { bridgeConformance } from "./conformance/bridge.ts";
export type {
  Bridges,
  ForeignSide,
  InwardBridge,
  OutwardBridge,
  PushedBridge,
  WorkBridge,
} from "./conformance/bridges.ts";
export { backendConformance, type BackendConformanceOptions } from "./conformance/backend.ts";
export { type OwnedLock, ownedLockConformance } from "./conformance/owned-lock.ts";
export type { BytePair } from "./conformance/byte-stream-rules.ts";
export type { ObjectPair } from "./conformance/object-stream-rules.ts";
