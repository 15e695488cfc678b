/**
 * Our own kernel: it drains what is ready in slices, keeps the timers of all its runs under one host timer, and asks the
 * host for one tick when work arrives.
 *
 * Invariant: whenever something is ready and no drain is on the way, exactly one tick is requested; whenever a timer is
 * set, the host timer is armed for the nearest one or a tick is requested. Between the moment at which a timer is due and
 * its expiry the host has served its I/O, so what came in time is not cut off by the deadline that it met.
 */
import {
  type Backend,
  Deque,
  type Instrument,
  type LoopOptions,
  TimerHeap,
  UsageError,
} from "@anyloop/core/lowlevel";
import { SeededRing } from "./batch.ts";
import type { VirtualClock } from "./clock.ts";
import { watchProcess } from "./deadlock.ts";
import { detectHost, type Host } from "./host.ts";
import { type Driver, KernelLoop, type KernelTimer } from "./kernel-loop.ts";
import { seeded } from "./random.ts";

export interface KernelOptions {
  /** Time: the host's if not given. A `VirtualClock` serves one kernel. */
  readonly clock?: VirtualClock | undefined;
  /** A whole number: the order of ready tasks is drawn from it, the same each time. */
  readonly seed?: number | undefined;
  /** Milliseconds of steps between two turns of the host; 0.2 if not given. */
  readonly sliceMs?: number | undefined;
  /** Told about every run of this kernel. */
  readonly instruments?: readonly Instrument[] | undefined;
  /** What becomes of a run in which every task waits for another: `"throw"` (default) a DeadlockError, or nothing. */
  readonly deadlock?: "throw" | "ignore" | undefined;
  /** What the kernel runs in; found out if not given. */
  readonly host?: Host | undefined;
}

/** A kernel is a backend, and can be driven by hand as trio's guest mode is. */
export interface Kernel extends Backend {
  /** Fires what is due and takes one slice of steps. The host calls it; a test with a host of its own may. */
  tick(): void;
  /** When the next timer is due, on the kernel's clock in milliseconds; `-Infinity` if something is ready, `Infinity` if nothing will be. */
  nextDeadline(): number;
}

/** Promise jobs that take steps between two looks at the clock. */
const jobsPerLook = 16;

/** Empty turns of the host before a virtual clock jumps. The first may be what is left of the turn we are in. */
const quietTurns = 2;

class KernelDriver implements Kernel, Driver {
  readonly name = "kernel";
  readonly instruments: readonly Instrument[] | undefined;
  private readonly host: Host;
  private readonly clock: VirtualClock | undefined;
  private readonly draw: ((below: number) => number) | undefined;
  private readonly sliceMs: number;
  private readonly throwsDeadlock: boolean;
  private readonly loops = new Set<KernelLoop>();
  private readonly line = new Deque<KernelLoop>();
  private readonly timers = new TimerHeap<KernelTimer>();
  private ticking = false;
  private requested = false;
  private sliceEnd = 0;
  /** Jobs that may take steps before the clock is looked at again. */
  private jobsUntilLook = 0;
  /** When its next turn comes, the host has looked for I/O since then: what was due by then may expire in it. */
  private lookedAt = -Infinity;
  private armedFor = Infinity;
  private disarmHost: (() => void) | undefined = undefined;
  private unwatch: (() => void) | undefined = undefined;
  /** Counts ticks, to see whether anything happened in between. */
  private ticks = 0;
  private quietCheck = false;

  constructor(options: KernelOptions) {
    this.host = options.host ?? detectHost();
    this.clock = options.clock;
    this.sliceMs = options.sliceMs ?? 0.2;
    this.throwsDeadlock = options.deadlock !== "ignore";
    this.instruments = options.instruments;
    this.draw = options.seed === undefined ? undefined : seeded(options.seed);
    this.clock?.attach(() => this.clockJumped());
  }

  open(options: LoopOptions): KernelLoop {
    const loop = new KernelLoop(
      this,
      this.draw === undefined ? new Deque() : new SeededRing(this.draw),
      options,
    );
    this.loops.add(loop);
    if (this.clock === undefined) this.unwatch ??= watchProcess(this.host, this);
    return loop;
  }

  now(): number {
    return (this.clock ?? this.host).now();
  }

  get loopsInLine(): number {
    return this.line.size;
  }

  hostNow(): number {
    return this.host.now();
  }

  nextDeadline(): number {
    return this.line.size > 0 ? -Infinity : this.timers.deadline;
  }

  becameReady(loop: KernelLoop): void {
    this.line.push(loop);
    this.request();
  }

  becameReadyInJob(loop: KernelLoop): void {
    this.line.push(loop);
    if (this.ticking || this.requested) return;
    // A seed shuffles what is ready together: let it gather. A clock moved by hand wants to be looked at by a whole tick.
    if (this.draw !== undefined || this.clock !== undefined || !this.isInSlice()) this.request();
    else this.tickInSlice();
  }

  /** Looks at the clock now and then: a look costs more than a short job. */
  private isInSlice(): boolean {
    if (--this.jobsUntilLook > 0) return true;
    if (this.host.now() >= this.sliceEnd) return false;
    this.jobsUntilLook = jobsPerLook;
    return true;
  }

  /**
   * The host's callback is the tick, unless others are ready: they have asked for one, and a slice of theirs for each
   * callback would hold up the I/O. Timers are not fired: all I/O of this turn of the host comes before its deadlines.
   */
  becameReadyFromHost(loop: KernelLoop): void {
    this.line.push(loop);
    if (this.ticking || this.requested) return;
    this.sliceEnd = this.host.now() + this.sliceMs;
    this.tickInSlice();
  }

  arm(entry: KernelTimer, deadline: number): void {
    this.timers.add(entry, deadline);
    entry.loop.timers++;
    if (!this.ticking && this.timers.top === entry) this.rest();
  }

  disarm(entry: KernelTimer): void {
    this.remove(entry);
    if (this.timers.top === undefined) this.disarmTimer();
  }

  holdsChanged(): void {
    if (!this.ticking && this.line.size === 0) this.checkQuiet();
  }

  /** Whether the host owes any run a wake-up. */
  get isHeld(): boolean {
    for (const loop of this.loops) if (loop.holds > 0) return true;
    return false;
  }

  closed(loop: KernelLoop): void {
    this.loops.delete(loop);
    // Only a run that ended at once, by an internal error, leaves any.
    if (loop.timers > 0) this.removeAllOf(loop);
    if (this.loops.size > 0) return;
    this.unwatch?.();
    this.unwatch = undefined;
    this.disarmTimer();
  }

  /** Nobody can wake any of these runs. */
  reportDeadlock(): void {
    if (!this.throwsDeadlock) return;
    for (const loop of this.loops) loop.options.deadlocked();
    // Told to stop, a run whose tasks cannot even be cancelled is told a second time, and gives up.
    if (this.line.size === 0) for (const loop of this.loops) loop.options.deadlocked();
  }

  readonly tick = (): void => {
    this.lookedAt = this.now();
    this.turn();
  };

  private readonly turn = (): void => {
    this.requested = false;
    if (this.ticking) return;
    this.ticking = true;
    this.ticks++;
    const due = this.lookedAt;
    this.lookedAt = this.now();
    this.sliceEnd = this.host.now() + this.sliceMs;
    this.jobsUntilLook = jobsPerLook;
    if (this.timers.deadline <= due) this.timers.expire(due);
    this.drain();
  };

  /** In a slice that is not over, or has just begun: the host has not had a turn, so no timer expires. */
  private readonly tickInSlice = (): void => {
    this.requested = false;
    if (this.ticking) return;
    this.ticking = true;
    this.ticks++;
    this.drain();
  };

  private drain(): void {
    do this.line.shift()?.drain(this.sliceEnd);
    while (this.line.size > 0 && this.host.now() < this.sliceEnd);
    this.endTick();
  }

  private endTick(): void {
    this.ticking = false;
    if (this.line.size > 0) this.requestTurn();
    else this.rest();
  }

  /** In the stack of the jump: whoever waits for its turn now is to see what has come due, as if time had passed by itself. */
  private clockJumped(): void {
    this.timers.expire(this.now());
    this.request();
  }

  private request(): void {
    if (this.ticking || this.requested) return;
    if (this.host.now() >= this.sliceEnd) {
      this.requestTurn();
    } else {
      this.requested = true;
      this.host.soon(this.tickInSlice);
    }
  }

  private requestTurn(): void {
    this.requested = true;
    this.host.turn(this.turn);
  }

  /** Nothing is ready: sleep until the nearest timer. */
  private rest(): void {
    if (this.clock !== undefined) {
      this.checkQuiet();
      return;
    }
    const { deadline } = this.timers;
    if (deadline < Infinity && deadline >= this.armedFor) return;
    this.disarmTimer();
    const left = deadline - this.now();
    if (left <= 0) {
      if (!this.requested) this.requestTurn();
    } else if (left < Infinity) {
      this.armedFor = deadline;
      this.disarmHost = this.host.timer(left, this.wake);
    }
  }

  /** The host's timer may have come early, and then is armed anew. */
  private readonly wake = (): void => {
    this.disarmTimer();
    this.lookedAt = this.now();
    this.rest();
  };

  private removeAllOf(loop: KernelLoop): void {
    const entries = Array.from(this.timers).filter((entry) => entry.loop === loop);
    for (const entry of entries) this.remove(entry);
  }

  private remove(entry: KernelTimer): void {
    if (this.timers.remove(entry)) entry.loop.timers--;
  }

  private disarmTimer(): void {
    this.disarmHost?.();
    this.disarmHost = undefined;
    this.armedFor = Infinity;
  }

  /** Virtual time goes on, or a deadlock is told, after a whole host turn in which nothing became ready. */
  private checkQuiet(turns = 0, ticks = this.ticks): void {
    if (this.clock === undefined || (turns === 0 && this.quietCheck) || this.loops.size === 0) return;
    this.quietCheck = true;
    this.host.turn(() => {
      this.quietCheck = false;
      if (this.requested || this.ticks !== ticks || this.isHeld) {
        if (!this.requested && !this.isHeld) this.checkQuiet();
      } else if (turns + 1 < quietTurns) {
        this.checkQuiet(turns + 1, ticks);
      } else {
        this.moveTime();
      }
    });
  }

  private moveTime(): void {
    const { top, deadline } = this.timers;
    if (top === undefined) {
      this.reportDeadlock();
    } else if (this.clock?.autojump === true || deadline <= this.now()) {
      this.clock?.jumpTo(deadline);
      this.tick();
    }
  }
}

/**
 * Makes a backend of our own kernel.
 *
 * ```ts
 * await run(sleep(1), { backend: kernel({ seed: 7 }) });
 * ```
 *
 * @throws UsageError for options that cannot be.
 */
export function kernel(options: KernelOptions = {}): Kernel {
  const { seed, sliceMs, deadlock } = options;
  if (seed !== undefined && !Number.isInteger(seed)) {
    throw new UsageError(`The seed is ${String(seed)}. Give a whole number.`);
  }
  if (sliceMs !== undefined && !(sliceMs >= 0)) {
    throw new UsageError(`sliceMs is ${String(sliceMs)}. Give a number of milliseconds, 0 or more.`);
  }
  if (deadlock !== undefined && deadlock !== "throw" && deadlock !== "ignore") {
    throw new UsageError(`deadlock is ${String(deadlock)}. Give "throw" or "ignore".`);
  }
  return new KernelDriver(options);
}
