/**
 * Work in other threads and processes, for what would hold the loop.
 *
 * Invariant: a slot of the limiter is held from the moment a job is handed over until it has really ended, whoever still
 * waits for it; a call that comes back has either handed nothing over or keeps to what its `cancel` says.
 */
import type { Transferable } from "node:worker_threads";
import {
  BrokenResourceError,
  type CapacityLimiter,
  type Coroutine,
  fromPromise,
  type Held,
  type Operation,
  operation,
  race,
  type TaskGroup,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { suspendOnHost } from "@anyloop/core/lowlevel";
import { bodyOf, type Outcome, performCall } from "./callback.ts";
import { afterSignals } from "./signals.ts";
import { type UnsentPort, unsentPort } from "./thread-channel.ts";
import { type ModuleFunction, type Travelling, travelling } from "./travel.ts";
import { startProcess, startThread } from "./worker-link.ts";
import { type PooledWorker, WorkerPool } from "./worker-pool.ts";
import { describeError, type SentArgument } from "./worker-side.ts";

export interface RunInWorkerOptions {
  /** How many jobs are done at once; one limiter for each kind of worker, as wide as the machine, if not given. */
  readonly limiter?: CapacityLimiter | undefined;
  /**
   * What a cancellation does to a job that has begun. `"wait"` (default): nothing, it is waited for and its value wins.
   * `"abandon"`: the caller leaves at once; the job goes on, and holds its slot until it ends. `"terminate"`: the thread
   * or process is ended, and the caller leaves when it has.
   */
  readonly cancel?: "wait" | "abandon" | "terminate" | undefined;
  /** What is among the arguments and is moved to the thread instead of cloned: buffers, ports. Not to a process. */
  readonly transfer?: readonly Transferable[] | undefined;
}

/** Longest delay that hosts keep, in milliseconds. */
const longestDelay = 2_147_483_647;

const threads = new WorkerPool(startThread);
const processes = new WorkerPool(startProcess);

/** How many `runInThread` work at once, unless they say otherwise: as many as the machine can. Set its `totalTokens`. */
export const threadLimiter: CapacityLimiter = threads.limiter;
/** The same for `runInProcess`. */
export const processLimiter: CapacityLimiter = processes.limiter;

/** One call of `runInThread` or `runInProcess`. */
class WorkerCall {
  readonly work: Travelling;
  private readonly pool: WorkerPool;
  private readonly cancel: RunInWorkerOptions["cancel"];
  private readonly args: readonly SentArgument[];
  private readonly transfer: readonly Transferable[];
  private readonly bodies: readonly AnyFunction[];
  private readonly channels: readonly UnsentPort[];
  private hasBegun = false;

  /** @throws UsageError for what cannot travel. */
  constructor(
    pool: WorkerPool,
    work: AnyFunction | ModuleFunction,
    args: readonly unknown[],
    { cancel, transfer = [] }: RunInWorkerOptions,
  ) {
    this.pool = pool;
    this.cancel = cancel;
    this.work = travelling(work);
    const bodies: AnyFunction[] = [];
    const channels: UnsentPort[] = [];
    this.args = args.map((argument): SentArgument => {
      const body = bodyOf(argument);
      if (body !== undefined) return { kind: "callback", index: bodies.push(body) - 1 };
      const channel = unsentPort(argument);
      if (channel === undefined) return { kind: "value", value: argument };
      channels.push(channel);
      return { kind: "channel", port: channel.port, capacity: channel.capacity };
    });
    this.bodies = bodies;
    this.channels = channels;
    this.transfer = [...transfer, ...channels.map(({ port }) => port)];
    if (pool === processes && this.transfer.length > 0) {
      throw new UsageError(
        "Nothing can be moved to a process, and no threadChannel leads to one. Use runInThread, or a callback.",
      );
    }
  }

  *perform(limiter: CapacityLimiter): Coroutine<unknown> {
    const slot = yield* this.acquire(limiter);
    try {
      if (this.bodies.length === 0) return yield* this.job(limiter, slot, undefined);
      return yield* taskGroup((group) => this.job(limiter, slot, group), { name: "callbacks of a worker" });
    } finally {
      if (!this.hasBegun) slot.release();
    }
  }

  private acquire(limiter: CapacityLimiter): Operation<Held> {
    // Abandoned jobs are nobody's to wait for but those who need their slots.
    return this.pool.abandoned === 0 ? limiter.acquire() : race([limiter.acquire(), stay()]);
  }

  private job(limiter: CapacityLimiter, slot: Held, callbacks: TaskGroup | undefined): Operation<unknown> {
    return fromPromise((signal) => this.begin(signal, limiter, slot, callbacks));
  }

  /** Hands the job over; from here on the slot is the job's. */
  private begin(
    signal: AbortSignal,
    limiter: CapacityLimiter,
    slot: Held,
    callbacks: TaskGroup | undefined,
  ): Promise<unknown> {
    const worker = this.pool.take();
    let ended: Promise<unknown>;
    try {
      ended = worker.perform(this.work, this.args, this.transfer, (call, index, args) => {
        this.onCall(worker, callbacks, call, index, args);
      });
    } catch (error) {
      this.pool.giveBack(worker);
      throw error;
    }
    this.hasBegun = true;
    for (const { here } of this.channels) here.wentWith(ended);
    const free = (): void => {
      this.pool.giveBack(worker);
      slot.release();
    };
    ended.then(free, free);
    return this.outcome(worker, ended, signal, limiter);
  }

  private async outcome(
    worker: PooledWorker,
    ended: Promise<unknown>,
    signal: AbortSignal,
    limiter: CapacityLimiter,
  ): Promise<unknown> {
    const aborted = new Promise<never>((_, reject) => {
      if (this.cancel !== "abandon" && this.cancel !== "terminate") return;
      signal.addEventListener("abort", () => {
        if (this.cancel === "terminate") worker.terminate();
        else this.pool.abandon(worker, ended, limiter.statistics().tasksWaiting > 0);
        if (this.cancel === "abandon") reject(signal.reason);
      });
    });
    try {
      return await Promise.race([ended, aborted]);
    } catch (error) {
      // A terminal gives Ctrl+C to worker processes and to us, in any order.
      if (this.mayEndBySignal(error)) await new Promise<void>((resolve) => void afterSignals(resolve));
      throw signal.aborted && this.isEcho(error) ? signal.reason : error;
    }
  }

  private mayEndBySignal(error: unknown): boolean {
    return this.pool === processes && error instanceof BrokenResourceError;
  }

  /** Whether an error only says that we were cancelled: ours that comes back from a callback, or what ended the worker. */
  private isEcho(error: unknown): boolean {
    if ((error as { code?: unknown } | undefined)?.code === "CANCELLED") return true;
    return error instanceof BrokenResourceError && (this.cancel === "terminate" || this.pool === processes);
  }

  private onCall(
    worker: PooledWorker,
    callbacks: TaskGroup | undefined,
    call: number,
    index: number,
    args: readonly unknown[],
  ): void {
    const answer = (value: unknown, failure: ReturnType<typeof describeError> | undefined): void => {
      try {
        worker.answer({ type: "answer", call, value, failure });
      } catch (error) {
        // What cannot be cloned: said in words, which can.
        const told = failure === undefined ? error : new Error(String(failure.error));
        worker.answer({
          type: "answer",
          call,
          value: undefined,
          failure: describeError(new Error(String(told))),
        });
      }
    };
    const reply = (outcome: Outcome): void => {
      if ("error" in outcome) answer(undefined, describeError(outcome.error));
      else answer(outcome.value, undefined);
    };
    try {
      // Refused where the caller has left: an abandoned job calls in vain.
      callbacks?.startSoon(performCall(this.bodies[index] as never, args, reply));
    } catch (error) {
      answer(undefined, describeError(error));
    }
  }
}

type AnyFunction = (...args: never[]) => unknown;

/** Keeps the process, and its clock as it is, while a slot is waited for. */
function stay(): Operation<never> {
  return suspendOnHost<never>(function slotOfWorker() {
    const timer = setInterval(() => {}, longestDelay);
    return () => {
      clearInterval(timer);
      return true;
    };
  });
}

const inThread = operation(function* runInThread(
  work: AnyFunction | ModuleFunction,
  args: readonly unknown[],
  options: RunInWorkerOptions,
): Coroutine<unknown> {
  return yield* new WorkerCall(threads, work, args, options).perform(options.limiter ?? threadLimiter);
});

const inProcess = operation(function* runInProcess(
  work: AnyFunction | ModuleFunction,
  args: readonly unknown[],
  options: RunInWorkerOptions,
): Coroutine<unknown> {
  return yield* new WorkerCall(processes, work, args, options).perform(options.limiter ?? processLimiter);
});

/**
 * Calls a function in another thread and gives what it gives. The function goes there as its source, so it can use
 * nothing of what surrounds it but globals and its arguments, which are cloned; or it is found in a module.
 *
 * ```ts
 * import { runInThread } from "@anyloop/io";
 *
 * const sum = await runInThread((upTo: number) => {
 *   let sum = 0;
 *   for (let number = 1; number <= upTo; number++) sum += number;
 *   return sum;
 * }, [1_000_000]);
 * console.log(sum); // 500000500000
 * ```
 *
 * @throws what the function throws, as a clone; UsageError for what cannot travel; ModuleError for a module that cannot be
 * loaded; BrokenResourceError if the thread ends before it has answered.
 */
export function runInThread<R>(
  work: () => R,
  args?: readonly [],
  options?: RunInWorkerOptions,
): Operation<Awaited<R>>;
export function runInThread<A extends readonly unknown[], R>(
  work: (...args: A) => R,
  args: NoInfer<A>,
  options?: RunInWorkerOptions,
): Operation<Awaited<R>>;
export function runInThread<R = unknown>(
  work: ModuleFunction,
  args?: readonly unknown[],
  options?: RunInWorkerOptions,
): Operation<R>;
export function runInThread(
  work: AnyFunction | ModuleFunction,
  args: readonly unknown[] = [],
  options: RunInWorkerOptions = {},
): Operation<unknown> {
  return inThread(work, args, options);
}

/** The same in another process: for work that may crash, or that no thread should share its memory with. */
export function runInProcess<R>(
  work: () => R,
  args?: readonly [],
  options?: RunInWorkerOptions,
): Operation<Awaited<R>>;
export function runInProcess<A extends readonly unknown[], R>(
  work: (...args: A) => R,
  args: NoInfer<A>,
  options?: RunInWorkerOptions,
): Operation<Awaited<R>>;
export function runInProcess<R = unknown>(
  work: ModuleFunction,
  args?: readonly unknown[],
  options?: RunInWorkerOptions,
): Operation<R>;
export function runInProcess(
  work: AnyFunction | ModuleFunction,
  args: readonly unknown[] = [],
  options: RunInWorkerOptions = {},
): Operation<unknown> {
  return inProcess(work, args, options);
}
