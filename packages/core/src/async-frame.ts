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
  /** A strand that nothing runs on: most awaits come one after the other and can all have the same. */
  private spare: AsyncStrand | undefined = undefined;
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

  /** A strand for an operation that is awaited here. Given back with `keep`, or as `strandEnded`. */
  takeStrand(work: Startable): AsyncStrand {
    const strand = this.spare ?? new AsyncStrand(this);
    this.spare = undefined;
    strand.resumption = work;
    return strand;
  }

  /** The operation was done at once; the strand has not counted. */
  keep(strand: AsyncStrand): void {
    strand.iterator = undefined;
    strand.resumption = undefined;
    if (this.spare === undefined) this.spare = strand;
    else strand.detach();
  }

  strandBegan(): void {
    this.strands++;
    this.balance();
  }

  strandEnded(strand: AsyncStrand): void {
    this.keep(strand);
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

/** The strand of one operation that an async body awaits, and after its end of another one. */
export class AsyncStrand extends Strand {
  /** Of the promise that is awaited. */
  resolve: ((value: never) => void) | undefined = undefined;
  reject: ((error: unknown) => void) | undefined = undefined;
  private readonly home: AsyncFrame;

  constructor(home: AsyncFrame) {
    super(home.run, undefined);
    this.home = home;
    this.attach(home);
  }

  get task(): TaskStrand {
    return this.home.task;
  }

  protected end(failed: boolean, value: unknown): void {
    const { resolve, reject } = this;
    this.resolve = undefined;
    this.reject = undefined;
    if (failed) reject?.(value);
    else resolve?.(value as never);
    this.home.strandEnded(this);
  }
}
