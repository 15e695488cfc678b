/**
 * The native backend: every step is a promise job and every timer the host's own, so tasks take turns with other promise
 * code as that code expects, and the host's tools see what they know.
 *
 * Invariant: one pump is on its way whenever a step is ready; each takes one step, so other promise code comes in between.
 * Promise jobs alone would starve I/O and timers: after a slice of them the next waits for a turn of the host.
 */
import { type Backend, Deque, hostTurn, type Instrument, UsageError } from "@anyloop/core/lowlevel";
import type { Loop, LoopOptions, Runnable, Timer, TimerHandle } from "@anyloop/core/lowlevel";

export interface NativeOptions {
  /** Told about every run of this backend. */
  readonly instruments?: readonly Instrument[] | undefined;
}

/** Milliseconds of promise jobs before the host gets a turn. */
const sliceMs = 0.2;
/** Steps between two looks at the clock. */
const stepsPerLook = 16;
/** Longest delay that hosts keep; a longer one is armed again when it is over. */
const longestDelay = 2_147_483_647;

const settled = /* @__PURE__ */ Promise.resolve();

/** All runs share the slice: many small ones must leave the host its turn as one large one does. */
const slice = { end: 0, left: 0 };

function sliceIsOver(): boolean {
  if (--slice.left > 0) return false;
  slice.left = stepsPerLook;
  return performance.now() >= slice.end;
}

class NativeLoop implements Loop {
  private readonly options: LoopOptions;
  private readonly ready = new Deque<Runnable>();
  private readonly timers = new Set<NativeTimer>();
  private isClosed = false;
  private isPumping = false;
  private readonly pump = (): void => {
    if (!this.isClosed) this.options.enter(this.stepOnce);
  };
  private readonly pumpAfterTurn = (): void => {
    slice.end = performance.now() + sliceMs;
    this.pump();
  };
  /** The next job is made in here, in the context of the run, which it then need not enter again. */
  private readonly stepOnce = (): void => {
    this.ready.shift()?.step();
    if (this.ready.size === 0 || this.isClosed) this.isPumping = false;
    else this.pumpLater();
  };

  constructor(options: LoopOptions) {
    this.options = options;
  }

  /** What other promise code has ready cannot be known. */
  get isIdle(): boolean {
    return false;
  }

  now(): number {
    return performance.now();
  }

  schedule(runnable: Runnable): void {
    if (this.isClosed) return;
    this.ready.push(runnable);
    if (this.isPumping) return;
    this.isPumping = true;
    this.pumpLater();
  }

  scheduleInJob(runnable: Runnable): void {
    if (this.isClosed) return;
    this.ready.push(runnable);
    if (this.isPumping) return;
    this.isPumping = true;
    // The job we are in is the step's own, as that of an `await` would be.
    if (sliceIsOver()) hostTurn(this.pumpAfterTurn);
    else this.options.enter(this.stepOnce);
  }

  callAt(deadline: number, timer: Timer, order: "operation" | "deadline"): TimerHandle {
    const handle = new NativeTimer(this.timers, this.options, deadline, timer, order === "deadline");
    this.timers.add(handle);
    return handle;
  }

  private pumpLater(): void {
    if (sliceIsOver()) hostTurn(this.pumpAfterTurn);
    else void settled.then(this.pump);
  }

  hold(): void {
    // What the host owes us keeps the process alive by itself, as it does for a promise.
  }

  release(): void {
    // See hold().
  }

  close(): void {
    this.isClosed = true;
    for (const timer of this.timers) timer.cancel();
  }
}

class NativeTimer implements TimerHandle {
  private readonly among: Set<NativeTimer>;
  private readonly options: LoopOptions;
  private readonly deadline: number;
  private readonly timer: Timer;
  private handle: ReturnType<typeof setTimeout> | undefined = undefined;
  private isOver = false;
  private readonly fire = (): void => {
    if (performance.now() < this.deadline) this.arm();
    else if (this.cancels) hostTurn(this.expire);
    else this.expire();
  };
  private readonly expire = (): void => {
    if (this.isOver) return;
    this.cancel();
    this.options.enter(() => this.timer.expired());
  };
  /** A deadline lets everything else that is due in this turn of the host complete first. */
  private readonly cancels: boolean;

  constructor(
    among: Set<NativeTimer>,
    options: LoopOptions,
    deadline: number,
    timer: Timer,
    cancels: boolean,
  ) {
    this.among = among;
    this.options = options;
    this.deadline = deadline;
    this.timer = timer;
    this.cancels = cancels;
    this.arm();
  }

  cancel(): void {
    this.isOver = true;
    this.among.delete(this);
    clearTimeout(this.handle);
  }

  private arm(): void {
    const delay = Math.ceil(this.deadline - performance.now());
    this.handle = setTimeout(this.fire, Math.min(Math.max(delay, 0), longestDelay));
  }
}

const kernelOnly = ["clock", "seed", "deadlock"] as const;

/**
 * Makes a backend of the host's promise jobs and timers.
 *
 * ```ts
 * await run(sleep(1), { backend: native() });
 * ```
 *
 * @throws UsageError for what only the kernel has: a clock, a seed, a deadlock report.
 */
export function native(options: NativeOptions = {}): Backend {
  for (const option of kernelOnly) {
    if (option in options) {
      throw new UsageError(`The native backend has no ${option}. Use kernel({ ${option} }) for that.`);
    }
  }
  return { name: "native", instruments: options.instruments, open: (loop) => new NativeLoop(loop) };
}
