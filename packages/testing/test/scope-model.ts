/**
 * Programs of nested scopes, groups and sleeps, and a reference model that says from trio's rules what becomes of them.
 *
 * The rules: a task sees the cancellation of the outermost cancelled scope around it that no shield hides; it is thrown at
 * the operation that waits, and again at every later one; a scope takes out its own, unless one further out is seen by
 * then; a group ends with its last task. What a task sees changes only at the times of cancels, shields and deadlines, so
 * the model can go through each task by itself: no loop, no tree, no wake-ups.
 */

export interface Sleep {
  readonly kind: "sleep";
  readonly id: number;
  readonly length: number;
}

export interface Scope {
  readonly kind: "scope";
  readonly id: number;
  readonly shield: boolean;
  readonly deadline: number;
  readonly body: readonly Step[];
  /** Whether what the body throws is swallowed. */
  readonly swallows: boolean;
  /** Performed in a `finally`. */
  readonly cleanUp: Sleep | undefined;
  readonly shieldsCleanUp: boolean;
}

export interface Group {
  readonly kind: "group";
  readonly id: number;
  readonly body: readonly Step[];
  readonly children: readonly (readonly Step[])[];
}

export type Step = Sleep | Scope | Group;

/** Something done to a scope, or to the scope of a group, from outside. */
export interface Act {
  readonly time: number;
  readonly target: number;
  readonly what: "cancel" | "shield" | "unshield";
}

/** What became of a sleep, a scope or a group, and when. */
export type Entry = readonly [id: number, what: "slept" | "cancelled" | "left" | "caught", time: number];

interface ScopeState {
  readonly cancelTime: number;
  isShielded(time: number): boolean;
  /** When what is seen through it may change. */
  readonly changes: readonly number[];
}

/** The scopes around a place, from the outermost in. */
type Path = readonly ScopeState[];

/** How a piece of a program ended: with a cancellation, or without. */
interface Outcome {
  readonly time: number;
  readonly cancelled: ScopeState | undefined;
}

const shielded: ScopeState = { cancelTime: Infinity, isShielded: () => true, changes: [] };

/** Whose cancellation is seen at a place and time. */
function seen(path: Path, time: number): ScopeState | undefined {
  const from = Math.max(
    0,
    path.findLastIndex((scope) => scope.isShielded(time)),
  );
  return path.slice(from).find(({ cancelTime }) => cancelTime <= time);
}

export class Model {
  readonly log: Entry[] = [];
  private readonly acts: readonly Act[];

  constructor(acts: readonly Act[]) {
    this.acts = acts.toSorted((a, b) => a.time - b.time);
  }

  perform(steps: readonly Step[], path: Path = [], start = 0): Outcome {
    let time = start;
    for (const step of steps) {
      const outcome = this.step(step, path, time);
      if (outcome.cancelled !== undefined) return outcome;
      ({ time } = outcome);
    }
    return { time, cancelled: undefined };
  }

  private step(step: Step, path: Path, time: number): Outcome {
    if (step.kind === "sleep") return this.sleep(step, path, time);
    return step.kind === "scope" ? this.scope(step, path, time) : this.group(step, path, time);
  }

  private sleep({ id, length }: Sleep, path: Path, start: number): Outcome {
    const end = start + length;
    const times = path.flatMap(({ changes }) => changes.filter((time) => time > start && time < end));
    const time = [start, ...times.toSorted((a, b) => a - b)].find((at) => seen(path, at) !== undefined);
    if (time === undefined) {
      this.log.push([id, "slept", end]);
      return { time: end, cancelled: undefined };
    }
    this.log.push([id, "cancelled", time]);
    return { time, cancelled: seen(path, time) };
  }

  private scope(scope: Scope, path: Path, start: number): Outcome {
    const state = this.stateOf(scope.id, scope.shield, scope.deadline, -Infinity);
    const inside = [...path, state];
    let outcome = this.perform(scope.body, inside, start);
    if (scope.swallows) outcome = { ...outcome, cancelled: undefined };
    if (scope.cleanUp !== undefined) {
      const cleanUp = this.sleep(
        scope.cleanUp,
        scope.shieldsCleanUp ? [...inside, shielded] : inside,
        outcome.time,
      );
      outcome = { time: cleanUp.time, cancelled: cleanUp.cancelled ?? outcome.cancelled };
    }
    const { time, cancelled } = outcome;
    const now = seen(inside, time);
    const isCaught = cancelled === state && now === state;
    this.log.push([scope.id, isCaught ? "caught" : "left", time]);
    if (cancelled !== state) return outcome;
    return { time, cancelled: isCaught ? undefined : now };
  }

  private group({ id, body, children }: Group, path: Path, start: number): Outcome {
    // Nobody can reach the scope of a group before there is one.
    let state = this.stateOf(id, false, Infinity, start);
    const host = this.perform(body, [...path, state], start);
    const own = state;
    if (host.cancelled !== undefined) {
      // A cancelled body takes its children with it.
      const cancelTime = Math.min(state.cancelTime, host.time);
      state = { ...state, cancelTime, changes: [...state.changes, cancelTime] };
    }
    const inside = [...path, state];
    const ends = [host, ...children.map((child) => this.perform(child, inside, start))];
    const time = Math.max(...ends.map((end) => end.time));
    const isOwn = ({ cancelled }: Outcome): boolean => cancelled === state || cancelled === own;
    const passing = ends
      .filter((end) => end.cancelled !== undefined && !isOwn(end))
      .toSorted((a, b) => a.time - b.time)[0]?.cancelled;
    const now = seen(inside, time);
    const isCaught = ends.some(isOwn) && now === state;
    this.log.push([id, isCaught ? "caught" : "left", time]);
    return { time, cancelled: passing ?? (ends.some(isOwn) && !isCaught ? now : undefined) };
  }

  private stateOf(id: number, shield: boolean, deadline: number, since: number): ScopeState {
    const acts = this.acts.filter(({ target, time }) => target === id && time >= since);
    const cancel = acts.find(({ what }) => what === "cancel")?.time ?? Infinity;
    const cancelTime = Math.min(cancel, deadline);
    return {
      cancelTime,
      isShielded(time) {
        const last = acts.findLast((act) => act.what !== "cancel" && act.time <= time);
        return last === undefined ? shield : last.what === "shield";
      },
      changes: [cancelTime, ...acts.map((act) => act.time)],
    };
  }
}
