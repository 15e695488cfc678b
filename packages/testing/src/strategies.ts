/**
 * Which schedules are tried, and in what order.
 *
 * Invariant: a strategy draws everything from its seed and from the runs it was told of, so the same seed tries the same
 * schedules.
 */
import type { Choice, Chooser } from "./explorer-loop.ts";
import type { Draw } from "./random.ts";
import { type Decision, type Deviation, deviationsOf } from "./schedule.ts";

export interface Strategy {
  /** Decides for the next run; undefined if there is nothing left to try. */
  next(): Chooser | undefined;
  /** What was decided in it. */
  learn(decisions: readonly Decision[]): void;
}

/** Takes the usual way except where it is told otherwise. */
export class Following implements Chooser {
  private readonly takes: Map<number, number>;
  private at = 0;

  constructor(deviations: readonly Deviation[]) {
    this.takes = new Map(deviations.map(({ at, take }) => [at, take]));
  }

  choose(choices: readonly Choice[]): number {
    const { at, takes } = this;
    const take = takes.get(at) ?? 0;
    this.at++;
    if (take >= choices.length) return 0;
    takes.delete(at);
    return take;
  }

  /** Whether every deviation has found its place. */
  get isDone(): boolean {
    return this.takes.size === 0;
  }
}

/**
 * When the cancellation comes: every moment is as likely as any other. Drawn at each moment anew, it would nearly always
 * come at once.
 */
class CancelMoment {
  private readonly draw: Draw;
  private longest = 1;
  private passed = 0;
  private moment = 0;

  constructor(draw: Draw) {
    this.draw = draw;
  }

  begin(): void {
    this.longest = Math.max(this.longest, this.passed);
    this.passed = 0;
    // A little more than there are, so that some runs are not cancelled at all.
    this.moment = this.draw(Math.ceil(this.longest * 1.2) + 1);
  }

  /** The index of the cancellation, if this is the moment; -1 if not. */
  find(choices: readonly Choice[]): number {
    const last = choices.length - 1;
    if (choices[last]?.kind !== "cancel") return -1;
    return this.passed++ === this.moment ? last : -1;
  }
}

/** The choices without the cancellation, which comes at a moment of its own. */
function withoutCancel(choices: readonly Choice[]): number {
  return choices.at(-1)?.kind === "cancel" ? choices.length - 1 : choices.length;
}

/** At every choice anything is as likely as anything else. */
export class RandomWalk implements Strategy, Chooser {
  private readonly draw: Draw;
  private readonly moment: CancelMoment;

  constructor(draw: Draw) {
    this.draw = draw;
    this.moment = new CancelMoment(draw);
  }

  next(): Chooser {
    this.moment.begin();
    return this;
  }

  choose(choices: readonly Choice[]): number {
    const cancel = this.moment.find(choices);
    return cancel < 0 ? this.draw(withoutCancel(choices)) : cancel;
  }

  learn(): void {
    // Chance has no memory.
  }
}

/** How often in a run whoever goes first is put last. A bug that needs so many switches is found with known odds. */
const changes = 3;

/**
 * Probabilistic concurrency testing: each task has a priority, the highest goes first, and at a few random points
 * whoever is first becomes last. Finds what needs few switches at the right places in long runs. After Burckhardt,
 * Kothari, Musuvathi and Nagarakatte, "A randomized scheduler with probabilistic guarantees of finding bugs" (2010).
 */
export class Priorities implements Strategy, Chooser {
  private readonly draw: Draw;
  private readonly moment: CancelMoment;
  private priorities = new Map<unknown, number>();
  private yielded = new WeakSet<Choice>();
  private changesAt = new Set<number>();
  private lowest = 0;
  private at = 0;
  private longest = 1;

  constructor(draw: Draw) {
    this.draw = draw;
    this.moment = new CancelMoment(draw);
  }

  next(): Chooser {
    const { draw } = this;
    this.moment.begin();
    this.priorities = new Map();
    this.yielded = new WeakSet();
    this.changesAt = new Set(Array.from({ length: changes }, () => draw(this.longest)));
    this.lowest = 0;
    this.at = 0;
    return this;
  }

  choose(choices: readonly Choice[]): number {
    const cancel = this.moment.find(choices);
    if (cancel >= 0) return cancel;
    const count = withoutCancel(choices);
    for (const choice of choices) this.respectTurns(choice);
    const first = this.highest(choices, count);
    if (!this.changesAt.has(this.at++)) return first;
    this.putLast(whose(choices[first] as Choice));
    return this.highest(choices, count);
  }

  learn(decisions: readonly Decision[]): void {
    this.longest = Math.max(this.longest, decisions.length);
  }

  /** Whoever gives way by itself means it: it would otherwise wait in a loop for one that never has its turn. */
  private respectTurns(choice: Choice): void {
    if (choice.kind !== "step" || !choice.gaveWay || this.yielded.has(choice)) return;
    this.yielded.add(choice);
    this.putLast(whose(choice));
  }

  private highest(choices: readonly Choice[], count: number): number {
    let best = 0;
    for (let index = 1; index < count; index++)
      if (this.priorityOf(choices[index]) > this.priorityOf(choices[best])) best = index;
    return best;
  }

  private priorityOf(choice: Choice | undefined): number {
    const who = whose(choice as Choice);
    let priority = this.priorities.get(who);
    if (priority === undefined) {
      priority = 1 + this.draw(1_000_000);
      this.priorities.set(who, priority);
    }
    return priority;
  }

  private putLast(who: unknown): void {
    this.priorities.set(who, --this.lowest);
  }
}

/** To whom a choice belongs: a task, or what stands in its place. A deadline may go ahead of a timer. */
function whose(choice: Choice): unknown {
  if (choice.kind === "step") return choice.runnable.task;
  return choice.kind === "timer" && choice.cancels ? "deadline" : choice.kind;
}

/**
 * Every schedule there is, those with the fewest departures from the usual order first: so the first that fails is one
 * of the shortest.
 */
export class Exhaustive implements Strategy {
  private readonly most: number;
  private readonly untried: Iterator<readonly Deviation[], undefined>[] = [];
  private current: readonly Deviation[] | undefined = undefined;
  private begun = false;

  /** `most`: departures a schedule may have. */
  constructor(most = Infinity) {
    this.most = most;
  }

  next(): Chooser | undefined {
    this.current = this.begun ? this.takeUntried() : [];
    this.begun = true;
    return this.current === undefined ? undefined : new Following(this.current);
  }

  learn(decisions: readonly Decision[]): void {
    const made = deviationsOf(decisions);
    if (made.length < this.most) this.untried.push(extensions(made, decisions));
  }

  private takeUntried(): readonly Deviation[] | undefined {
    const { untried } = this;
    for (let next = untried[0]; next !== undefined; next = untried[0]) {
      const result = next.next();
      if (result.done !== true) return result.value;
      untried.shift();
    }
    return undefined;
  }
}

/** Every schedule that departs once more, after the last time. */
function* extensions(
  made: readonly Deviation[],
  decisions: readonly Decision[],
): Generator<readonly Deviation[], undefined, undefined> {
  const first = (made.at(-1)?.at ?? -1) + 1;
  for (let at = first; at < decisions.length; at++) {
    const { of } = decisions[at] as Decision;
    for (let take = 1; take < of; take++) yield [...made, { at, take }];
  }
  return undefined;
}
