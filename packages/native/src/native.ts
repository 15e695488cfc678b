/**
 * The native backend: every step is a promise job, so tasks take turns with other promise code as that code expects, and
 * the host's tools see what they know.
 *
 * Invariant: one pump is on its way whenever a step is ready; each takes one step, so other promise code comes in between.
 * Promise jobs alone would starve I/O and timers: after a slice of them the next waits for a turn of the host. Whenever a
 * timer is set, one of the host's is armed for the nearest or for an earlier time.
 */
import {
  type Backend,
  Deque,
  hostTurn,
  type Instrument,
  TimerEntry,
  TimerHeap,
  UsageError,
} from "@anyloop/core/lowlevel";
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
  readonly options: LoopOptions;
  private readonly ready = new Deque<Runnable>();
  private readonly timers = new TimerHeap<NativeTimer>();
  private hostTimer: ReturnType<typeof setTimeout> | undefined = undefined;
  private armedFor = Infinity;
  /** When the host's timer fired. */
  private firedAt = 0;
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

  /** The host serves the I/O of this turn first: what is done in time is not cancelled by the deadline that it met. */
  private readonly fire = (): void => {
    this.firedAt = this.now();
    hostTurn(this.expire);
  };
  /** What was due by then. The host's timers fire up to a millisecond early: for what was not one is armed again. */
  private readonly expire = (): void => {
    if (this.isClosed) return;
    this.armedFor = Infinity;
    this.timers.expire(this.firedAt);
    this.arm();
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

  callAt(deadline: number, waiting: Timer, order: "operation" | "deadline"): TimerHandle {
    const timer = new NativeTimer(this, waiting, order);
    this.timers.add(timer, deadline);
    this.arm();
    return timer;
  }

  /** Left armed for a timer that is no longer there, the host's fires for nothing once: cheaper than to arm it anew. */
  disarm(timer: NativeTimer): void {
    this.timers.remove(timer);
    if (this.timers.top === undefined) this.disarmHost();
  }

  private arm(): void {
    const { deadline } = this.timers;
    if (this.isClosed || deadline >= this.armedFor) return;
    clearTimeout(this.hostTimer);
    this.armedFor = deadline;
    const delay = Math.ceil(deadline - this.now());
    this.hostTimer = setTimeout(this.fire, Math.min(Math.max(delay, 0), longestDelay));
  }

  private disarmHost(): void {
    clearTimeout(this.hostTimer);
    this.armedFor = Infinity;
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
    this.disarmHost();
  }
}

class NativeTimer extends TimerEntry implements TimerHandle {
  private readonly loop: NativeLoop;

  constructor(loop: NativeLoop, timer: Timer, order: "operation" | "deadline") {
    super(timer, order);
    this.loop = loop;
  }

  cancel(): void {
    this.loop.disarm(this);
  }

  expire(): void {
    this.loop.options.enter(() => this.timer.expired());
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
