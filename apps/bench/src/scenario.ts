/**
 * What a scenario is: a piece of work stated in words, which every contestant does in its own way.
 *
 * Invariant: every performance gives a number that says the work was really done, and the referee checks it.
 */
export interface Scenario {
  readonly id: string;
  /** What contestants file their version under; the id if not given. */
  readonly version?: string;
  readonly title: string;
  /** The work, the same for everybody: what one item is, and what must have happened at the end. */
  readonly work: string;
  /** Items in one performance; a fifth of them in a quick run. */
  readonly size: number;
  /** The size is what the scenario is about: the same in a quick run. */
  readonly isFixed?: boolean;
  /** The check figure. */
  readonly expected: (size: number) => number;
  /** Wall-clock time, or the processor time of the process where most of a performance is waiting. */
  readonly clock?: "wall" | "cpu";
  /** Sizes at which growth is looked at, where growth matters. */
  readonly growth?: readonly number[];
  /** Figures of the performance itself (bytes), in place of its time. */
  readonly unit?: "ns" | "B";
}

/** Does the work of a scenario for `size` items, and gives the check figure, or for bytes the figure itself. */
export type Perform = (size: number) => number | Promise<number>;

/** What one contestant can do: its versions, by the id of the scenario. */
export type Performances = Readonly<Record<string, Perform>>;
