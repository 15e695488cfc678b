/** anyloop's core: operations, tasks, scopes, primitives and streams. See `lowlevel` for the sharp tools. */
export { run, setDefaultBackend, type RunOptions } from "./run.ts";
export * from "./errors.ts";
export { operation, perform } from "./operation.ts";
export * from "./types.ts";
export { taskGroup, type TaskGroup } from "./task-group.ts";
export { currentTask, type Task } from "./task.ts";
export * from "./scope.ts";
export { now, sleep, sleepForever, sleepUntil } from "./time.ts";
