/** What goes from stage to stage. All of it is JSON, and says which page it is about. */

export interface Job {
  readonly url: string;
}

export interface Page {
  readonly url: string;
  readonly status: number;
  readonly html: string;
}

export interface Text {
  readonly url: string;
  readonly status: number;
  readonly links: readonly string[];
  readonly text: string;
}

/** What the crawl is told of a page in the end. */
export interface Result {
  readonly url: string;
  readonly status: number;
  readonly links: readonly string[];
  /** How often each word occurs. */
  readonly words: Readonly<Record<string, number>>;
  /** Why it could not be processed, if it could not. */
  readonly problem?: string;
}
