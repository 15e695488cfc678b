/** Tools for testing code built on anyloop. */
export { everyBackend, type EveryBackendOptions, type TestCase } from "./every-backend.ts";
export type { BackendKind, MatrixOptions } from "./matrix.ts";
export { waitAllTasksBlocked } from "./wait-all-tasks-blocked.ts";
