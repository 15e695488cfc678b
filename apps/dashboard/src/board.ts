/**
 * What is known of each source.
 *
 * Invariant: a price is kept until a newer one comes, whatever happens in between. Whoever waits for a change sees the
 * board as it is then, not every step on the way: a slow reader misses steps, and holds nobody up.
 */
import { Event, type Operation } from "anyloop";
import type { QuestionView, SourceView } from "./view.ts";

class SourceRecord {
  readonly name: string;
  price: number | undefined = undefined;
  previous: number | undefined = undefined;
  at: number | undefined = undefined;
  problem: string | undefined = undefined;
  askedAt: number | undefined = undefined;
  asked = 0;
  failed = 0;

  constructor(name: string) {
    this.name = name;
  }

  view(): SourceView {
    const { name, price, previous, at, problem, asked, failed } = this;
    const health = problem !== undefined ? "stale" : price === undefined ? "waiting" : "fresh";
    return { name, price, previous, at, problem, health, asked, failed };
  }
}

export class Board {
  private readonly records: ReadonlyMap<string, SourceRecord>;
  private readonly clock: () => number;
  private changed = new Event();

  /** `clock` gives milliseconds since 1970. */
  constructor(names: readonly string[], clock: () => number = Date.now) {
    this.records = new Map(names.map((name) => [name, new SourceRecord(name)]));
    this.clock = clock;
  }

  /** A question goes out. Call what is given back once it is over, whatever came of it. */
  asking(name: string): () => void {
    const record = this.record(name);
    record.asked++;
    record.askedAt = this.clock();
    this.tell();
    return () => {
      record.askedAt = undefined;
      this.tell();
    };
  }

  heard(name: string, price: number): void {
    const record = this.record(name);
    record.previous = record.price;
    record.price = price;
    record.at = this.clock();
    record.problem = undefined;
    this.tell();
  }

  missed(name: string, problem: string): void {
    const record = this.record(name);
    record.failed++;
    record.problem = problem;
    this.tell();
  }

  get sources(): readonly SourceView[] {
    return [...this.records.values()].map((record) => record.view());
  }

  get inFlight(): readonly QuestionView[] {
    return [...this.records.values()].flatMap(({ name, askedAt }) =>
      askedAt === undefined ? [] : [{ source: name, since: askedAt }],
    );
  }

  /** Waits for the next change. */
  change(): Operation<void> {
    return this.changed.wait();
  }

  private record(name: string): SourceRecord {
    const record = this.records.get(name);
    if (record === undefined) throw new RangeError(`There is no source ${JSON.stringify(name)}.`);
    return record;
  }

  private tell(): void {
    const { changed } = this;
    this.changed = new Event();
    changed.set();
  }
}
