/** Tools for testing code built on anyloop. */
export { cancelEverywhere, type Cancellations } from "./cancel-everywhere.ts";
export { everyBackend, type EveryBackendOptions, type TestCase } from "./every-backend.ts";
export { type Exploration, explore, type ExploreOptions, type OneRunOptions, replay } from "./explore.ts";
export { RunawayError } from "./attempt.ts";
export { ScheduleFailure } from "./schedule-failure.ts";
export type { Explored, Victim } from "./victim.ts";
export { waitAllTasksBlocked } from "./wait-all-tasks-blocked.ts";
