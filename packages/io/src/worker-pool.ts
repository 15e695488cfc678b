/**
 * Threads or processes that are kept for the next job.
 *
 * Invariant: a worker does one job at a time. A job has ended when its worker has answered or is gone, never before. How
 * many there may be is the limiter's affair: the pool starts one when a job comes and none is idle.
 */
import { availableParallelism } from "node:os";
import { clearTimeout, setTimeout } from "node:timers";
import type { Transferable } from "node:worker_threads";
import { BrokenResourceError, CapacityLimiter, UsageError } from "@anyloop/core";
import { arrived, notLoaded, type Travelling } from "./travel.ts";
import type { WorkerLink } from "./worker-link.ts";
import type { CallAnswer, Job, SentArgument, WorkerMessage } from "./worker-side.ts";

/** Milliseconds for which a worker is kept though it has nothing to do; as long as trio keeps threads. */
const idleTime = 10_000;

/** Asks for the answer to a call that the worker makes. */
type OnCall = (call: number, index: number, args: readonly unknown[]) => void;

interface CurrentJob {
  readonly work: Travelling;
  readonly onCall: OnCall;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

type Start = (listener: (message: WorkerMessage) => void) => WorkerLink;

class PooledWorker {
  private readonly link: WorkerLink;
  private job: CurrentJob | undefined = undefined;
  /** Gone, or on its way. */
  private hasEnded = false;
  private idleTimer: ReturnType<typeof setTimeout> | undefined = undefined;

  constructor(start: Start) {
    this.link = start((message) => this.onMessage(message));
    void this.link.ended.then(({ how, error }) => {
      this.hasEnded = true;
      this.finish()?.reject(new BrokenResourceError(`${how} before it had answered.`, { cause: error }));
    });
  }

  get isUsable(): boolean {
    return !this.hasEnded;
  }

  /** @throws UsageError for arguments that cannot be sent. */
  perform(
    work: Travelling,
    args: readonly SentArgument[],
    transfer: readonly Transferable[],
    onCall: OnCall,
  ): Promise<unknown> {
    clearTimeout(this.idleTimer);
    try {
      this.link.post({ type: "job", ...work, args } satisfies Job, transfer);
    } catch (error) {
      throw new UsageError(
        `An argument cannot be sent to a worker: ${String(error)} Arguments are cloned; pass functions with callback(…).`,
        { cause: error },
      );
    }
    this.link.keep(true);
    return new Promise((resolve, reject) => {
      this.job = { work, onCall, resolve, reject };
    });
  }

  answer(answer: CallAnswer): void {
    if (!this.hasEnded) this.link.post(answer, []);
  }

  /** Nobody waits for its job any more: it goes on, and does not keep the process for it. */
  abandon(): void {
    this.link.keep(false);
  }

  /** Its job ends with an error once it is gone. */
  terminate(): void {
    this.hasEnded = true;
    this.link.kill();
  }

  rest(): void {
    this.link.keep(false);
    this.idleTimer = setTimeout(() => this.terminate(), idleTime).unref();
  }

  private onMessage(message: WorkerMessage): void {
    const { job } = this;
    if (job === undefined) return;
    if (message.type === "call") job.onCall(message.call, message.index, message.args);
    else if (message.type === "done") this.finish()?.resolve(message.value);
    else if (message.type === "refused") this.finish()?.reject(new UsageError(message.why));
    else if (message.type === "unloaded") this.finish()?.reject(notLoaded(message.failure, job.work));
    else this.finish()?.reject(arrived(message.failure, job.work));
  }

  private finish(): CurrentJob | undefined {
    const { job } = this;
    this.job = undefined;
    return job;
  }
}

export type { PooledWorker };

export class WorkerPool {
  /** How many jobs are done at once, where a call brings no limiter of its own. */
  readonly limiter: CapacityLimiter = new CapacityLimiter(availableParallelism());
  /** How many do jobs that nobody waits for. */
  abandoned = 0;
  private readonly start: Start;
  /** The one used last comes first: the others may have their rest. */
  private readonly idle: PooledWorker[] = [];

  constructor(start: Start) {
    this.start = start;
  }

  take(): PooledWorker {
    for (let worker = this.idle.pop(); worker !== undefined; worker = this.idle.pop()) {
      if (worker.isUsable) return worker;
    }
    return new PooledWorker(this.start);
  }

  /** Its job goes on, and keeps the process only if somebody needs its slot. */
  abandon(worker: PooledWorker, ended: Promise<unknown>, isNeeded: boolean): void {
    this.abandoned++;
    const end = (): void => void this.abandoned--;
    ended.then(end, end);
    if (!isNeeded) worker.abandon();
  }

  giveBack(worker: PooledWorker): void {
    if (!worker.isUsable) return;
    worker.rest();
    this.idle.push(worker);
  }
}
