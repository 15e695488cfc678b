/** anyloop's core: operations, tasks, scopes, primitives and streams. See `lowlevel` for the sharp tools. */
export { all, allSettled, type Results, type Settled } from "./all.ts";
export { asCompleted } from "./as-completed.ts";
export { Barrier } from "./barrier.ts";
export { BufferedByteStream } from "./buffered-byte-stream.ts";
export { CapacityLimiter, type CapacityLimiterStatistics } from "./capacity-limiter.ts";
export { Condition, type ConditionStatistics } from "./condition.ts";
export { Deferred } from "./deferred.ts";
export {
  AmbientContextError,
  AnyloopError,
  BrokenResourceError,
  BusyResourceError,
  Cancelled,
  ClosedResourceError,
  DeadlockError,
  DelimiterNotFound,
  EndOfStream,
  errorsOf,
  IncompleteRead,
  InternalError,
  isCancelled,
  NoBackendError,
  RunFinishedError,
  TaskCancelled,
  TaskFailed,
  TaskGroupError,
  TaskNotFinished,
  TimeoutError,
  UsageError,
  WouldBlock,
} from "./errors.ts";
export { Event, type EventStatistics } from "./event.ts";
export { forEach } from "./for-each.ts";
export { fromPromise } from "./from-promise.ts";
export { type Emit, generate } from "./generate.ts";
export type { Held } from "./grant.ts";
export { linesOf, type LinesOptions } from "./lines-of.ts";
export { RunLocal, TaskLocal } from "./locals.ts";
export { Lock, type LockStatistics, RLock } from "./lock.ts";
export { map } from "./map.ts";
export {
  type MemoryReceiveStream,
  type MemorySendStream,
  memoryStream,
  type MemoryStreamStatistics,
} from "./memory-stream.ts";
export { operation, perform } from "./operation.ts";
export { Queue, type QueueOptions } from "./queue.ts";
export { any, race } from "./race.ts";
export { ResourceGuard } from "./resource-guard.ts";
export { run, type RunInfo, type RunOptions, setDefaultBackend } from "./run.ts";
export {
  cancellationPending,
  CancelScope,
  cancelSignal,
  currentEffectiveDeadline,
  failAfter,
  failAt,
  moveOnAfter,
  moveOnAt,
  type ScopeOptions,
  type ScopeWork,
  shield,
} from "./scope.ts";
export { Semaphore, type SemaphoreStatistics } from "./semaphore.ts";
export { stapled } from "./stapled.ts";
export type { TaskStatus } from "./start.ts";
export type {
  AsyncCloseable,
  ByteReceiveStream,
  ByteSendStream,
  ByteStream,
  Connectable,
  Listener,
  ObjectReceiveStream,
  ObjectSendStream,
  ObjectStream,
  Receiver,
  ReceiveStream,
  SendStream,
} from "./streams.ts";
export { type StartSoonOptions, type TaskGroup, taskGroup, type TaskGroupOptions } from "./task-group.ts";
export { currentTask, type Task, type TaskState } from "./task.ts";
export { TextStream, type TextStreamOptions } from "./text-stream.ts";
export { now, sleep, sleepForever, sleepUntil } from "./time.ts";
export type {
  AnyWork,
  Body,
  Coroutine,
  Handler,
  Instruction,
  NameOptions,
  Operation,
  ResultOf,
  Work,
} from "./types.ts";
export { type Closeable, use } from "./use.ts";
export type { Backend } from "./backend.ts";
