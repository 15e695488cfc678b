/**
 * A loop on which somebody else decides who goes next: the backend of the schedule explorer.
 *
 * Every operation ends its task's step here (an ordinary loop allows 64 in a row), so wherever a task may be interrupted
 * at all there is a choice. Time is virtual and stands still while somebody is ready, unless the host may stall.
 *
 * Invariant: choice number 0 is what an ordinary kernel would do; between two choices every promise that was on its way
 * has arrived, so the same choices give the same run.
 */
import type {
  Backend,
  Instrument,
  Loop,
  LoopOptions,
  Runnable,
  Timer,
  TimerHandle,
} from "@anyloop/core/lowlevel";
import { budget, hostTurn } from "@anyloop/core/lowlevel";

/** Something that can happen next. */
export type Choice =
  | ReadyStep
  | DueTimer
  | { readonly kind: "time"; readonly to: number }
  | { readonly kind: "cancel" }
  | { readonly kind: "wait" };

/** A task, or a part of an async one, that can take its next step. */
export interface ReadyStep {
  readonly kind: "step";
  readonly runnable: Runnable;
  /** It was interrupted after an operation that had completed. */
  readonly interrupted: boolean;
  /** It gave way by itself: a checkpoint. */
  readonly gaveWay: boolean;
}

interface DueTimer extends TimerHandle {
  readonly kind: "timer";
  readonly deadline: number;
  readonly timer: Timer;
  readonly cancels: boolean;
}

/** Decides. Asked only where there is a choice. */
export interface Chooser {
  /** The index of what happens next. */
  choose(choices: readonly Choice[]): number;
}

/** Told what happens, for those who write it down. */
export interface Witness {
  chosen(choice: Choice, insteadOf: Choice | undefined): void;
  /** Called in the stack of whoever makes the step ready. */
  scheduled(step: ReadyStep, byItself: boolean): void;
  done(): void;
  /** Nobody can go on, and nobody is left to wake one. */
  deadlocked(): void;
}

export interface ExplorerOptions {
  readonly chooser: Chooser;
  readonly stallMs: number;
  /** Happenings after which the run is told to stop; after as many again it is given up. */
  readonly limit: number;
  readonly canCancel: () => boolean;
  readonly cancel: () => void;
  readonly limitReached: (givesUp: boolean) => void;
  readonly witness?: (Witness & Instrument) | undefined;
}

/** Steps in a row that an ordinary loop allows a task whose operations complete at once. */
const longestStreak = 64;

/** Backend for one run. */
export class Explorer implements Backend {
  readonly name = "explorer";
  readonly instruments: readonly Instrument[];
  private readonly options: ExplorerOptions;
  /** What was left when the run ended; nothing, unless an operation forgot it. */
  loop: ExplorerLoop | undefined = undefined;

  constructor(options: ExplorerOptions) {
    this.options = options;
    const oneOperationAStep: Instrument = {
      beforeStep() {
        budget.left = 1;
      },
    };
    this.instruments =
      options.witness === undefined ? [oneOperationAStep] : [oneOperationAStep, options.witness];
  }

  open(options: LoopOptions): Loop {
    return (this.loop = new ExplorerLoop(this.options, options));
  }
}

class ExplorerLoop implements Loop {
  /** Set timers, by deadline, then by registration. */
  readonly timers: DueTimer[] = [];
  holds = 0;
  private readonly explorer: ExplorerOptions;
  private readonly options: LoopOptions;
  private readonly ready: ReadyStep[] = [];
  private time = 0;
  private happenings = 0;
  private streak = 0;
  private running: Runnable | undefined = undefined;
  private lastTask: object | undefined = undefined;
  private isClosed = false;
  private isDeadlocked = false;
  private isDraining = false;
  private isRequested = false;
  /** The host has had its turn since something happened last. */
  private isRested = false;

  constructor(explorer: ExplorerOptions, options: LoopOptions) {
    this.explorer = explorer;
    this.options = options;
  }

  now(): number {
    return this.time;
  }

  get isIdle(): boolean {
    return this.ready.length === 0;
  }

  schedule(runnable: Runnable): void {
    if (this.isClosed) return;
    const byItself = runnable.task !== undefined && runnable.task === this.taskInCharge;
    const interrupted = byItself && budget.left <= 0;
    const step: ReadyStep = { kind: "step", runnable, interrupted, gaveWay: byItself && !interrupted };
    // An async body performs its operations outside of any step: each counts as one.
    if (this.running === undefined) budget.left = 1;
    this.ready.push(step);
    this.explorer.witness?.scheduled(step, byItself);
    this.request();
  }

  /** Whose code is on the stack. Between two drains it is what the last step has set in motion: an async body goes on. */
  private get taskInCharge(): object | undefined {
    return this.isDraining ? this.running?.task : this.lastTask;
  }

  callAt(deadline: number, timer: Timer, order: "operation" | "deadline"): TimerHandle {
    const { timers } = this;
    const cancel = (): void => {
      const index = timers.indexOf(entry);
      if (index >= 0) timers.splice(index, 1);
    };
    const entry: DueTimer = { kind: "timer", deadline, timer, cancels: order === "deadline", cancel };
    const after = timers.findIndex((other) => other.deadline > deadline);
    timers.splice(after < 0 ? timers.length : after, 0, entry);
    this.request();
    return entry;
  }

  hold(): void {
    this.holds++;
  }

  release(): void {
    this.holds--;
    this.request();
  }

  close(): void {
    this.isClosed = true;
  }

  /** The next decision is taken after a turn of the host, never in the stack of whoever asks. */
  private request(): void {
    if (this.isDraining || this.isRequested || this.isClosed) return;
    this.isRequested = true;
    hostTurn(() => {
      this.isRequested = false;
      this.isRested = true;
      if (this.isClosed) return;
      this.isDraining = true;
      this.options.enter(() => this.drain());
      this.isDraining = false;
      if (!this.isRested) this.request();
    });
  }

  /** Lets one thing happen after another until the host has to have a turn, or there is nothing more to do. */
  private drain(): void {
    while (!this.isClosed) {
      const choices = this.choices();
      const isQuiet = choices[0]?.kind === "time" || choices[0]?.kind === "wait";
      if (!this.isRested && (isQuiet || this.holds > 0)) return;
      if (!this.happen(choices)) return;
    }
  }

  /** Everything that can happen now, the usual first. */
  private choices(): Choice[] {
    const choices: Choice[] = this.dueTimers();
    const { ready, timers } = this;
    const going = this.streak < longestStreak ? ready.find((step) => this.goesOn(step)) : undefined;
    if (going !== undefined) choices.push(going);
    for (const step of ready) if (step !== going) choices.push(step);
    const next = timers.find(({ deadline }) => deadline > this.time);
    const isBlocked = choices.length === 0;
    if (isBlocked && (this.holds > 0 || next === undefined)) choices.push({ kind: "wait" });
    else if (next !== undefined && (isBlocked || next.deadline - this.time <= this.explorer.stallMs))
      choices.push({ kind: "time", to: next.deadline });
    if (!this.isDeadlocked && this.explorer.canCancel()) choices.push({ kind: "cancel" });
    return choices;
  }

  private goesOn(step: ReadyStep): boolean {
    return step.interrupted && step.runnable.task === this.lastTask;
  }

  /** Of what is due an operation completes before a deadline cancels, unless the deadline was due, or set, earlier. */
  private dueTimers(): DueTimer[] {
    const { timers, time } = this;
    const [first] = timers;
    if (first === undefined || first.deadline > time) return [];
    const operation = timers.find((timer) => timer.deadline <= time && !timer.cancels);
    if (operation === undefined || operation === first) return [first];
    return [operation, first];
  }

  /** False if only the host can go on. */
  private happen(choices: readonly Choice[]): boolean {
    const index = choices.length === 1 ? 0 : this.explorer.chooser.choose(choices);
    const choice = choices[index] as Choice;
    if (choice.kind === "wait") {
      if (this.holds === 0) this.reportDeadlock();
      return false;
    }
    this.isRested = false;
    if (this.isOverLimit()) return false;
    this.explorer.witness?.chosen(choice, index === 0 ? undefined : choices[0]);
    this.perform(choice);
    this.explorer.witness?.done();
    return true;
  }

  private perform(choice: Exclude<Choice, { kind: "wait" }>): void {
    switch (choice.kind) {
      case "step":
        this.take(choice);
        return;
      case "timer":
        choice.cancel();
        choice.timer.expired();
        return;
      case "time":
        this.time = choice.to;
        return;
      case "cancel":
        this.explorer.cancel();
    }
  }

  private take(step: ReadyStep): void {
    this.ready.splice(this.ready.indexOf(step), 1);
    const { runnable } = step;
    this.streak = this.goesOn(step) ? this.streak + 1 : 0;
    this.lastTask = runnable.task;
    this.running = runnable;
    runnable.step();
    this.running = undefined;
    budget.left = 1;
  }

  private isOverLimit(): boolean {
    const { limit, limitReached } = this.explorer;
    this.happenings++;
    if (this.happenings === limit) limitReached(false);
    if (this.happenings < 2 * limit) return false;
    this.close();
    limitReached(true);
    return true;
  }

  private reportDeadlock(): void {
    this.isDeadlocked = true;
    this.explorer.witness?.deadlocked();
    this.options.deadlocked();
    // Told to stop, a run whose tasks cannot even be cancelled is told a second time, and gives up.
    if (this.ready.length === 0) this.options.deadlocked();
    else this.isRested = false;
  }
}
