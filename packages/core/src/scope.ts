/**
 * Cancel scopes: a stretch of work that can be stopped as a whole, by hand or by a deadline.
 *
 * A scope is a call, so it cannot be left in the wrong task or in the wrong order. Invariant: a scope takes out exactly
 * its own cancellation; another's passes, and one from elsewhere becomes an error.
 */
import type { TimerHandle } from "./backend.ts";
import { startable } from "./body.ts";
import { CancelNode } from "./cancel-tree.ts";
import {
  type Cancelled,
  cancelledNode,
  createCancelled,
  isCancelled,
  TimeoutError,
  UsageError,
} from "./errors.ts";
import { OperationBase } from "./operation.ts";
import { withoutCancellations } from "./sift.ts";
import { signalOf } from "./signal.ts";
import { Frame, type Strand } from "./strand.ts";
import { currentPlace, realError } from "./task.ts";
import { checkTime, now } from "./time.ts";
import type { Body, NameOptions, Operation } from "./types.ts";

export interface ScopeOptions extends NameOptions {
  /** Milliseconds from entry until the scope is cancelled. */
  readonly timeout?: number | undefined;
  /** Time on the loop's clock, in milliseconds, at which the scope is cancelled. */
  readonly deadline?: number | undefined;
  /** Hides the cancellation of enclosing scopes from the work. */
  readonly shield?: boolean | undefined;
}

/** What a scope runs: an operation, or a body that is given the scope. */
export type ScopeWork<T> = Operation<T> | Body<T, [scope: CancelScope]>;

/**
 * A scope of cancellation, for one use. From trio.
 *
 * ```ts
 * const scope = new CancelScope({ timeout: 5 });
 * await scope.run(function* () {
 *   yield* sleep(60_000);
 * });
 * console.log(scope.cancelledCaught); // true
 * ```
 */
export class CancelScope extends CancelNode {
  readonly name: string;
  private isShield: boolean;
  private strand: Strand | undefined = undefined;
  private state: "new" | "entered" | "left" = "new";
  private timeout: number | undefined;
  private time: number;
  private timer: TimerHandle | undefined = undefined;
  private caught = false;
  private expiredFirst = false;

  constructor(options: ScopeOptions = {}) {
    super();
    this.name = options.name ?? "scope";
    this.timeout = options.timeout === undefined ? undefined : checkTime(options.timeout, "timeout");
    this.time = options.deadline === undefined ? Infinity : checkTime(options.deadline, "deadline");
    this.isShield = options.shield === true;
  }

  /** Performs the work inside the scope; undefined if the scope's cancellation ended it. @throws UsageError if used before. */
  run<T>(work: ScopeWork<T>): Operation<T | undefined> {
    return new ScopeOperation<T | undefined>(() => this, work, undefined);
  }

  /** Cancels what runs in the scope. Only the first call counts. */
  cancel(reason?: unknown): void {
    if (this.state === "left") {
      // It was asked for, though nothing is left here to be cancelled.
      this.own ??= createCancelled(this, reason);
      return;
    }
    if (!this.cancelNode(reason)) return;
    this.stopTimer();
    this.strand?.run.hooks?.call("scopeCancelled", this);
  }

  /** Time on the loop's clock at which the scope is cancelled, in milliseconds; `Infinity`: never. */
  get deadline(): number {
    return this.time;
  }

  set deadline(deadline: number) {
    this.time = checkTime(deadline, "deadline");
    this.timeout = undefined;
    this.arm();
  }

  /** Whether cancellation of enclosing scopes is hidden; lifting it delivers at once what was hidden. */
  get shield(): boolean {
    return this.isShield;
  }

  set shield(shield: boolean) {
    this.isShield = shield;
    if (this.state === "entered") this.spread();
  }

  /** Whether the scope was cancelled, by hand or by its deadline. */
  get cancelCalled(): boolean {
    // A deadline that has passed counts before the loop comes to it, also in a scope that has not been entered.
    if (this.own === undefined && this.time !== Infinity && this.state !== "left" && this.isOverdue())
      this.expire();
    return this.own !== undefined;
  }

  /** Whether the work was ended by this scope's cancellation. */
  get cancelledCaught(): boolean {
    return this.caught;
  }

  /** What was given to `cancel`; undefined before. */
  get reason(): unknown {
    return this.own?.reason;
  }

  /** Aborted once work in this scope is cancelled; made when first asked for. Its `reason` is the `Cancelled`. */
  get signal(): AbortSignal {
    return signalOf(this);
  }

  /** @internal Whether the deadline was what cancelled the scope. */
  get timedOut(): boolean {
    return this.expiredFirst;
  }

  /** @internal */
  override get isShielded(): boolean {
    return this.isShield;
  }

  protected override answer(): Cancelled | undefined {
    return this.isShield ? this.own : super.answer();
  }

  /** @internal */
  override get ownDeadline(): number {
    return this.time;
  }

  /** @internal */
  enter(strand: Strand): void {
    if (this.state !== "new") {
      throw new UsageError(
        "This scope was used before. A scope runs one piece of work: make a new one for each.",
      );
    }
    this.state = "entered";
    this.strand = strand;
    if (this.timeout !== undefined) this.time = Math.min(this.time, strand.run.loop.now() + this.timeout);
    this.attach(strand.node);
    strand.node = this;
    this.arm();
  }

  /** @internal The work is over; what it was cancelled with is this scope's, or goes on. */
  leave(strand: Strand, failed: boolean, result: unknown): true {
    this.unlink(strand);
    const value = failed ? withoutCancellations(result, this) : result;
    if (!failed || !isCancelled(value)) return strand.outcome(failed, value);
    if (this.takesOut(value)) return strand.outcome(false, undefined);
    // Cancelled around this scope as well by now, the code after it is not to run: that cancellation goes on instead.
    if (cancelledNode(value) === this) return strand.outcome(true, this.pending);
    return strand.outcome(true, this.isWithin(value) ? value : realError(value, this.name));
  }

  /** @internal */
  unlink(strand: Strand): void {
    this.state = "left";
    this.stopTimer();
    strand.node = this.above as CancelNode;
    this.detach();
  }

  /** @internal */
  takesOut(error: unknown): boolean {
    const mine = isCancelled(error) && cancelledNode(error) === this && this.pending === this.own;
    if (mine) this.caught = true;
    return mine;
  }

  /** @internal */
  get hasLeft(): boolean {
    return this.state === "left";
  }

  /** @internal */
  expired(): void {
    if (this.own !== undefined || this.state === "left") return;
    // Moved in this same turn, by an abort function that ran before: another timer is set for it.
    if (!this.isOverdue()) return;
    this.timer = undefined;
    this.expire();
  }

  private isOverdue(): boolean {
    return this.time <= (this.strand?.run.loop.now() ?? now());
  }

  private expire(): void {
    this.expiredFirst = true;
    this.cancel("the deadline passed");
  }

  /** @internal */
  interrupt(): void {
    const { strand } = this;
    if (strand?.node === this) strand.tellWaiting();
  }

  private arm(): void {
    this.stopTimer();
    const { strand } = this;
    if (this.state !== "entered" || strand === undefined || this.own !== undefined || this.time === Infinity)
      return;
    if (this.isOverdue()) this.expire();
    else this.timer = strand.run.loop.callAt(this.time, this, "deadline");
  }

  private stopTimer(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }
}

class ScopeOperation<T> extends OperationBase<T> {
  get label(): string {
    return "a cancel scope";
  }

  private readonly scope: () => CancelScope;
  private readonly work: ScopeWork<unknown>;
  private readonly timeoutError: ((scope: CancelScope) => TimeoutError) | undefined;

  constructor(
    scope: () => CancelScope,
    work: ScopeWork<unknown>,
    timeoutError: ((scope: CancelScope) => TimeoutError) | undefined,
  ) {
    super();
    this.scope = scope;
    this.work = work;
    this.timeoutError = timeoutError;
  }

  protected perform(strand: Strand): IteratorResult<unknown, unknown> {
    const scope = this.scope();
    const work = startable(this.work, [scope]);
    scope.enter(strand);
    this.active = true;
    return strand.push(new ScopeFrame(scope, this.timeoutError), work);
  }
}

class ScopeFrame extends Frame {
  get label(): string {
    return "a cancel scope";
  }

  private readonly scope: CancelScope;
  private readonly timeoutError: ((scope: CancelScope) => TimeoutError) | undefined;

  constructor(scope: CancelScope, timeoutError: ((scope: CancelScope) => TimeoutError) | undefined) {
    super();
    this.scope = scope;
    this.timeoutError = timeoutError;
  }

  leave(strand: Strand, failed: boolean, value: unknown): boolean {
    const { scope } = this;
    scope.leave(strand, failed, value);
    if (this.timeoutError !== undefined && scope.cancelledCaught && scope.timedOut) {
      return strand.outcome(true, this.timeoutError(scope));
    }
    return true;
  }
}

/**
 * Gives the work so many milliseconds; undefined if they were not enough.
 *
 * ```ts
 * const late = await moveOnAfter(5, function* () {
 *   yield* sleep(60_000);
 *   return "done";
 * });
 * console.log(late); // undefined
 * ```
 */
export function moveOnAfter<T>(milliseconds: number, work: ScopeWork<T>): Operation<T | undefined> {
  const timeout = checkTime(milliseconds, "timeout");
  return new ScopeOperation<T | undefined>(() => new CancelScope({ timeout }), work, undefined);
}

/** Gives the work until a time on the loop's clock (see `now`); undefined if that was not enough. */
export function moveOnAt<T>(deadline: number, work: ScopeWork<T>): Operation<T | undefined> {
  checkTime(deadline, "deadline");
  return new ScopeOperation<T | undefined>(() => new CancelScope({ deadline }), work, undefined);
}

/**
 * Gives the work so many milliseconds, and throws if they were not enough.
 * @throws TimeoutError whose `scope` is the scope that the work was given.
 */
export function failAfter<T>(milliseconds: number, work: ScopeWork<T>): Operation<T> {
  const timeout = checkTime(milliseconds, "timeout");
  return new ScopeOperation<T>(
    () => new CancelScope({ timeout }),
    work,
    (scope) => new TimeoutError(`The work was not done within ${String(milliseconds)} ms.`, scope),
  );
}

/** Gives the work until a time on the loop's clock, and throws TimeoutError if that was not enough. */
export function failAt<T>(deadline: number, work: ScopeWork<T>): Operation<T> {
  checkTime(deadline, "deadline");
  return new ScopeOperation<T>(
    () => new CancelScope({ deadline }),
    work,
    (scope) => new TimeoutError("The work was not done by its deadline.", scope),
  );
}

/**
 * Hides the cancellation of enclosing scopes from the work: for clean-up that has to wait. Give it a deadline of its own
 * (`moveOnAfter` inside), or it can hold everything up.
 */
export function shield<T>(work: ScopeWork<T>): Operation<T> {
  return new ScopeOperation<T>(() => new CancelScope({ shield: true }), work, undefined);
}

/** The time by which the current task is cancelled if nothing changes; `-Infinity` if it already is. In ms on `now`'s clock. */
export function currentEffectiveDeadline(): number {
  let node: CancelNode | undefined = currentPlace().node;
  if (node.pending !== undefined) return -Infinity;
  let deadline = Infinity;
  for (; node !== undefined; node = node.isShielded ? undefined : node.above) {
    deadline = Math.min(deadline, node.ownDeadline);
  }
  return deadline;
}

/** Whether this task was told to stop, also where a shield still hides that from its operations. */
export function cancellationPending(): boolean {
  for (let node: CancelNode | undefined = currentPlace().node; node !== undefined; node = node.above) {
    if (node.own !== undefined) return true;
  }
  return false;
}

/** The `AbortSignal` of the innermost scope here: for APIs that take one. Its `reason` is the `Cancelled`. */
export function cancelSignal(): AbortSignal {
  return signalOf(currentPlace().node);
}
