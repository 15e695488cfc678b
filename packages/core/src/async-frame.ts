/**
 * The frame of an async body: the strands of the operations it awaits begin here.
 *
 * Invariant: the frame ends once the body's promise has settled and every strand has ended; strands that still run when
 * the promise settles are cancelled and waited for. While the body runs code that no loop sees (it awaits a raw promise,
 * or its continuation is on its way), the frame holds the loop, so that virtual time stands still.
 */
import { type Ambient, storage } from "./ambient.ts";
import { CancelNode } from "./cancel-tree.ts";
import type { Run } from "./run.ts";
import { type Startable, Strand, type Waiting } from "./strand.ts";
import type { TaskStrand } from "./task.ts";

/** Gets the outcome of a frame; a strand resumes with it. */
interface Receiver {
  wakeInJob(failed: boolean, value: unknown): void;
}

export class AsyncFrame extends CancelNode implements Ambient, Waiting {
  get label(): string {
    return "an async body";
  }

  readonly run: Run;
  readonly task: TaskStrand;
  private readonly receiver: Receiver;
  private strands = 0;
  private holding = false;
  private phase: "called" | "running" | "settled" | "ended" = "called";
  private failed = false;
  private value: unknown = undefined;

  constructor(owner: Strand, receiver: Receiver) {
    super();
    this.run = owner.run;
    this.task = owner.task;
    this.receiver = receiver;
    this.attach(owner.node);
  }

  get frame(): this {
    return this;
  }

  /** Whether operations awaited here still belong to the task. */
  get isOpen(): boolean {
    return this.phase === "called" || this.phase === "running";
  }

  /** Whether something begun in the synchronous part of the body is on its way. */
  get isBusy(): boolean {
    return this.strands > 0;
  }

  /** The body gave a promise: the frame lives until it has settled. */
  follow(promise: PromiseLike<unknown>): void {
    this.phase = "running";
    this.balance();
    // An operation that is given back is performed here, in the frame.
    const settled = promise instanceof Promise ? promise : storage?.run(this, () => Promise.resolve(promise));
    (settled ?? Promise.resolve(promise)).then(
      (value) => this.settle(false, value),
      (error: unknown) => this.settle(true, error),
    );
  }

  /** The body gave no promise, and nothing was begun in it. */
  discard(): void {
    this.phase = "ended";
    this.detach();
  }

  strandBegan(): void {
    this.strands++;
    this.balance();
  }

  strandEnded(): void {
    this.strands--;
    if (this.phase === "settled" && this.strands === 0) this.finish();
    else this.balance();
  }

  interrupt(): void {
    // The strands below are nodes of their own; a body that awaits a raw promise cannot be interrupted there.
  }

  /** The body has come to its end. */
  settle(failed: boolean, value: unknown): void {
    this.phase = "settled";
    this.failed = failed;
    this.value = value;
    this.balance();
    if (this.strands === 0) this.finish();
    else this.cancelNode("the async body that awaited this has ended");
  }

  private finish(): void {
    this.phase = "ended";
    this.detach();
    this.receiver.wakeInJob(this.failed, this.value);
  }

  private balance(): void {
    const hold = this.phase === "running" && this.strands === 0;
    if (hold === this.holding) return;
    this.holding = hold;
    if (hold) this.run.hold();
    else this.run.release();
  }
}

/** The strand of one operation that an async body awaits. */
export class AsyncStrand extends Strand {
  private readonly home: AsyncFrame;
  private readonly settle: (failed: boolean, value: unknown) => void;

  constructor(home: AsyncFrame, work: Startable, settle: (failed: boolean, value: unknown) => void) {
    super(home.run, work);
    this.home = home;
    this.settle = settle;
    this.attach(home);
  }

  get task(): TaskStrand {
    return this.home.task;
  }

  protected end(failed: boolean, value: unknown): void {
    this.detach();
    this.settle(failed, value);
    this.home.strandEnded();
  }
}
