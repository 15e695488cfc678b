/**
 * The loop of one run on a kernel: its ready ring, and what the host owes it.
 *
 * Invariant: a loop with something ready is in its kernel's line exactly once.
 */
import {
  type Loop,
  type LoopOptions,
  type Runnable,
  type Timer,
  TimerEntry,
  type TimerHandle,
} from "@anyloop/core/lowlevel";

/** What a loop needs of its kernel. */
export interface Driver {
  /** Loops that have something ready. */
  readonly loopsInLine: number;
  now(): number;
  hostNow(): number;
  becameReady(loop: KernelLoop): void;
  /** The same in a promise job of the host's, which can take the steps itself. */
  becameReadyInJob(loop: KernelLoop): void;
  /** The same in a callback of the host's own. */
  becameReadyFromHost(loop: KernelLoop): void;
  arm(entry: KernelTimer, deadline: number): void;
  disarm(entry: KernelTimer): void;
  holdsChanged(): void;
  closed(loop: KernelLoop): void;
}

/** The ready ring, in order of arrival or by seed. */
export interface Ready {
  readonly size: number;
  push(runnable: Runnable): void;
  shift(): Runnable | undefined;
}

export class KernelTimer extends TimerEntry implements TimerHandle {
  readonly loop: KernelLoop;

  constructor(loop: KernelLoop, timer: Timer, order: "operation" | "deadline") {
    super(timer, order);
    this.loop = loop;
  }

  cancel(): void {
    this.loop.driver.disarm(this);
  }

  expire(): void {
    const { loop, timer } = this;
    loop.timers--;
    if (this.cancels) loop.options.enter(() => timer.expired());
    else timer.expired();
  }
}

/** Steps between two looks at the clock. */
const stepsPerLook = 16;

export class KernelLoop implements Loop {
  readonly driver: Driver;
  readonly options: LoopOptions;
  holds = 0;
  /** Timers of this run that are set. */
  timers = 0;
  private readonly ready: Ready;
  private isClosed = false;
  private inLine = false;
  private sliceEnd = 0;
  private readonly steps = (): void => {
    const { ready, driver } = this;
    let left = stepsPerLook;
    for (let next = ready.shift(); next !== undefined; next = ready.shift()) {
      next.step();
      if (this.isClosed) return;
      if (--left > 0) continue;
      if (driver.hostNow() >= this.sliceEnd) return;
      left = stepsPerLook;
    }
  };

  constructor(driver: Driver, ready: Ready, options: LoopOptions) {
    this.driver = driver;
    this.ready = ready;
    this.options = options;
  }

  now(): number {
    return this.driver.now();
  }

  get isIdle(): boolean {
    // In the midst of its own drain it may stand in the line again.
    return this.ready.size === 0 && this.driver.loopsInLine === (this.inLine ? 1 : 0);
  }

  schedule(runnable: Runnable): void {
    if (this.isClosed) return;
    this.ready.push(runnable);
    if (this.inLine) return;
    this.inLine = true;
    this.driver.becameReady(this);
  }

  scheduleInJob(runnable: Runnable): void {
    if (this.isClosed) return;
    this.ready.push(runnable);
    if (this.inLine) return;
    this.inLine = true;
    this.driver.becameReadyInJob(this);
  }

  scheduleFromHost(runnable: Runnable): void {
    if (this.isClosed) return;
    this.ready.push(runnable);
    if (this.inLine) return;
    this.inLine = true;
    this.driver.becameReadyFromHost(this);
  }

  callAt(deadline: number, timer: Timer, order: "operation" | "deadline"): TimerHandle {
    const entry = new KernelTimer(this, timer, order);
    this.driver.arm(entry, deadline);
    return entry;
  }

  hold(): void {
    this.holds++;
  }

  release(): void {
    this.holds--;
    this.driver.holdsChanged();
  }

  close(): void {
    this.isClosed = true;
    this.driver.closed(this);
  }

  /** Takes steps until nothing is ready or the slice is over. */
  drain(sliceEnd: number): void {
    this.sliceEnd = sliceEnd;
    this.inLine = false;
    if (this.isClosed) return;
    this.options.enter(this.steps);
    if (this.ready.size > 0 && !this.isClosed && !this.inLine) {
      this.inLine = true;
      this.driver.becameReady(this);
    }
  }
}
