/** Waiting until nobody can go on, instead of sleeping for luck. trio's `wait_all_tasks_blocked`. */
import {
  type Coroutine,
  currentTask,
  fromPromise,
  type Operation,
  operation,
  RunLocal,
  type Task,
  UsageError,
} from "@anyloop/core";
import { addInstrument, hostTurn, inspect, type Instrument, type TaskReport } from "@anyloop/core/lowlevel";

/** Turns of the host in a row in which everybody must be found waiting. */
const quietTurns = 3;

function isBlocked(report: TaskReport, observer: number): boolean {
  return (
    (report.id === observer || report.waitingFor.length > 0) &&
    report.children.every((child) => isBlocked(child, observer))
  );
}

/** One who waits until nobody has taken a step for so many milliseconds. */
interface Observer {
  readonly task: Task<unknown>;
  readonly cushion: number;
  /** Somebody has taken a step. */
  isDisturbed: boolean;
}

/** Sees the steps of a run, but not those of who only waits for there to be none. */
class Activity implements Instrument {
  readonly observers = new Set<Observer>();

  beforeStep(task: Task<unknown>): void {
    for (const observer of this.observers) if (observer.task === task) return;
    this.disturb(0);
  }

  /** Nobody has taken a step since the observer began to wait, and nobody with a shorter cushion is to go on first. */
  isOver(observer: Observer): boolean {
    if (observer.isDisturbed) return false;
    for (const { cushion } of this.observers) if (cushion < observer.cushion) return false;
    return true;
  }

  /** An observer that goes on after its cushion disturbs those with a longer one. */
  disturb(cushion: number): void {
    for (const observer of this.observers) observer.isDisturbed ||= observer.cushion > cushion;
  }
}

const activities = new RunLocal<Activity | undefined>({ default: undefined });

function activityHere(): Activity {
  let activity = activities.get();
  if (activity === undefined) {
    activity = new Activity();
    activities.set(activity);
    addInstrument(activity);
  }
  return activity;
}

/** Owed by the host, as everything a virtual clock must wait for; leaves no timer when it is cancelled. */
function realTime(milliseconds: number): Operation<void> {
  return fromPromise(
    (signal) =>
      new Promise<void>((resolve, reject) => {
        const handle = setTimeout(resolve, milliseconds);
        signal.addEventListener("abort", () => {
          clearTimeout(handle);
          reject(signal.reason);
        });
      }),
  );
}

function* allBlocked(): Coroutine<void> {
  const observer = currentTask().id;
  for (let quiet = 0; quiet < quietTurns; quiet++) {
    yield* fromPromise(new Promise<void>(hostTurn));
    if (!isBlocked(inspect(), observer)) quiet = -1;
  }
}

function* allBlockedFor(cushion: number): Coroutine<void> {
  const activity = activityHere();
  const observer: Observer = { task: currentTask(), cushion, isDisturbed: false };
  activity.observers.add(observer);
  try {
    do {
      yield* allBlocked();
      observer.isDisturbed = false;
      yield* realTime(cushion);
      // Whoever became ready while the host was busy has not taken its step yet.
      yield* allBlocked();
    } while (!activity.isOver(observer));
  } finally {
    activity.observers.delete(observer);
    activity.disturb(cushion);
  }
}

/**
 * Waits until every other task of the run waits for something, and has done so for `cushion` milliseconds of the host's
 * time (none if not given: one who is woken by I/O or a promise needs some). A task that sleeps counts as waiting. A
 * virtual clock stands still meanwhile: whoever waits here goes on before it jumps.
 *
 * ```ts
 * await taskGroup(function* (group) {
 *   const task = group.startSoon(sleep(60_000));
 *   yield* waitAllTasksBlocked();
 *   console.log(inspect(task).waitingFor[0]); // 60000 ms to pass
 *   task.cancel();
 * });
 * ```
 *
 * @throws UsageError for a cushion that is no number of milliseconds.
 */
export const waitAllTasksBlocked: (cushion?: number) => Operation<void> = operation(
  function* waitAllTasksBlocked(cushion: number = 0): Coroutine<void> {
    if (!(cushion >= 0 && cushion < Infinity)) {
      throw new UsageError(`The cushion is ${String(cushion)}. Give a number of milliseconds, 0 or more.`);
    }
    yield* cushion === 0 ? allBlocked() : allBlockedFor(cushion);
  },
);
