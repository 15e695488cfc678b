/** Tools for testing code built on anyloop. */
export { everyBackend, type EveryBackendOptions, type TestCase } from "./every-backend.ts";
export type { BackendKind, MatrixOptions } from "./matrix.ts";
export { waitAllTasksBlocked } from "./wait-all-tasks-blocked.ts";
export {
  lockConformance,
  type LockConformanceOptions,
  type LockLike,
  type OwnedLock,
  ownedLockConformance,
} from "./conformance/lock.ts";
export {
  type ConformanceCase,
  ConformanceError,
  registerCases,
  type TestFunction,
} from "./conformance/suite.ts";
export {
  objectStreamConformance,
  type ObjectPair,
  type ObjectStreamConformanceOptions,
} from "./conformance/object-stream.ts";
export {
  byteStreamConformance,
  type BytePair,
  type ByteStreamConformanceOptions,
} from "./conformance/byte-stream.ts";
export { bridgeConformance } from "./conformance/bridge.ts";
export type { Bridges, ForeignSide, InwardBridge, OutwardBridge, WorkBridge } from "./conformance/bridges.ts";
