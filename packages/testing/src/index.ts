/** Tools for testing code built on anyloop. */
export { everyBackend, type EveryBackendOptions, type TestCase } from "./every-backend.ts";
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
export type { Bridges, ForeignSide, InwardBridge, OutwardBridge, WorkBridge } from "./conformance/bridges.ts";
export { backendConformance, type BackendConformanceOptions } from "./conformance/backend.ts";
export { type OwnedLock, ownedLockConformance } from "./conformance/owned-lock.ts";
export type { BytePair } from "./conformance/byte-stream-rules.ts";
export type { ObjectPair } from "./conformance/object-stream-rules.ts";
