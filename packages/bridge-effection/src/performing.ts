/**
 * One performance of an operation of effection's, in a task of theirs.
 *
 * Invariant: what the operation gave or threw is noted in the task itself, before the task ends: a halt that comes as the
 * operation ends does not lose it, and an error does not bring down the scope that the task runs in.
 */
import { type Operation, type Scope, scoped, type Task } from "effection";

export interface Outcome<T> {
  readonly failed: boolean;
  readonly value: T;
}

export class Performing<T> {
  private outcome: Outcome<unknown> | undefined = undefined;
  /** What there was before our halt. */
  private early: Outcome<unknown> | undefined = undefined;
  private readonly task: Task<void>;

  /** `onEnd` is called once, with no outcome if the task was halted. */
  constructor(
    scope: Scope,
    operation: () => Operation<T>,
    onEnd: (outcome: Outcome<unknown> | undefined) => void,
  ) {
    this.task = scope.run(() => this.perform(operation));
    this.task.then(
      () => onEnd(this.outcome),
      () => onEnd(this.early ?? this.failure()),
    );
  }

  /** Halts the task; settles once it has really ended, and rejects with what went wrong on the way. */
  async halt(): Promise<void> {
    this.early = this.outcome;
    await this.task.halt();
    const failure = this.failure();
    if (failure !== undefined) throw failure.value;
  }

  /**
   * What is left of the outcome once the task was halted. A generator forgets that it was told to return as soon as a
   * `finally` in it waits: the operation then seems to give a value, which is none.
   */
  private failure(): Outcome<unknown> | undefined {
    return this.outcome?.failed === true ? this.outcome : undefined;
  }

  private *perform(operation: () => Operation<T>): Operation<void> {
    try {
      this.outcome = { failed: false, value: yield* scoped(operation) };
    } catch (error) {
      this.outcome = { failed: true, value: error };
    }
  }
}
