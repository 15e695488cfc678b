/** What the page is shown: the same types on both sides of the wire, and nothing that JSON cannot say. */

export interface SourceView {
  readonly name: string;
  /** The last price that was heard, however long ago. */
  readonly price: number | undefined;
  /** The one before. */
  readonly previous: number | undefined;
  /** When the last price came: milliseconds since 1970. */
  readonly at: number | undefined;
  /** Why the last question was not answered with a price. */
  readonly problem: string | undefined;
  /** Nothing heard yet; the last question was answered; it was not, and the price is an old one. */
  readonly health: "waiting" | "fresh" | "stale";
  /** Questions asked, and those of them that were not answered with a price. */
  readonly asked: number;
  readonly failed: number;
}

export interface QuestionView {
  readonly source: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

/** A task of the run, what it waits for, and its children. */
export interface TaskView {
  readonly id: number;
  readonly name: string;
  readonly waitingFor: readonly string[];
  readonly children: readonly TaskView[];
}

export interface BoardView {
  readonly sources: readonly SourceView[];
  /** Questions that are under way. */
  readonly inFlight: readonly QuestionView[];
  readonly tasks: TaskView;
}
