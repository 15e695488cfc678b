/**
 * Pieces of several tasks, one after another in an order that the test lays down. trio's `Sequencer`.
 *
 * Invariant: a position's work begins when the work of the one before has ended, however it ended; a position is used once.
 */
import {
  BrokenResourceError,
  CancelScope,
  type Coroutine,
  Event,
  type Operation,
  perform,
  UsageError,
  type Work,
} from "@anyloop/core";

/**
 * ```ts
 * const sequencer = new Sequencer();
 * await taskGroup(function* (group) {
 *   group.startSoon(function* () {
 *     yield* sequencer.at(0, () => console.log("first")); // first
 *     yield* sequencer.at(2, () => console.log("third")); // second
 *   });
 *   group.startSoon(function* () {
 *     yield* sequencer.at(1, () => console.log("second")); // third
 *   });
 * });
 * ```
 */
export class Sequencer {
  private readonly turns = new Map<number, Event>();
  private readonly used = new Set<number>();
  private isBroken = false;

  constructor() {
    this.turnOf(0).set();
  }

  /**
   * Waits until everything before this position is done, performs the work, if any, and lets the next go on.
   * @throws UsageError for a position used before, or no position; BrokenResourceError once one that waited for its
   * turn was cancelled: the order cannot be kept any more.
   */
  at(position: number): Operation<void>;
  at<T>(position: number, work: Work<T>): Operation<T>;
  at(position: number, work?: Work<unknown>): Operation<unknown> {
    return perform(this, this.doAt, position, work);
  }

  private *doAt(position: number, work: Work<unknown> | undefined): Coroutine<unknown> {
    if (!(Number.isInteger(position) && position >= 0))
      throw new UsageError(`The position is ${String(position)}. Give a whole number, 0 or more.`);
    if (this.used.has(position))
      throw new UsageError(`Position ${String(position)} of this Sequencer was used before. Use each once.`);
    this.used.add(position);
    yield* this.waitFor(position);
    try {
      return work === undefined ? undefined : yield* new CancelScope().run(work);
    } finally {
      this.turnOf(position + 1).set();
    }
  }

  private *waitFor(position: number): Coroutine<void> {
    let came = this.isBroken;
    try {
      if (!this.isBroken) yield* this.turnOf(position).wait();
      came = true;
    } finally {
      if (!came) this.break();
    }
    if (!this.isBroken) return;
    throw new BrokenResourceError(
      "A task of this Sequencer was cancelled before its turn: the others cannot keep the order any more.",
    );
  }

  private break(): void {
    this.isBroken = true;
    for (const turn of this.turns.values()) turn.set();
  }

  private turnOf(position: number): Event {
    let turn = this.turns.get(position);
    if (turn === undefined) {
      turn = new Event();
      this.turns.set(position, turn);
    }
    return turn;
  }
}
