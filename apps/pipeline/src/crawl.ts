/**
 * The crawl: which pages there are, and when all have been counted.
 *
 * Invariant: a page is sent once and counted once, however often its result comes: that of a stage which was killed
 * between its work and the acknowledgement comes twice.
 */
import { forEachDelivery } from "@anyloop/bridge-broker";
import { CancelScope, type Coroutine, operation, use } from "anyloop";
import type { Result } from "./items.ts";
import type { Queues } from "./stages.ts";

export interface Crawled {
  /** How many pages were counted. */
  readonly pages: number;
  /** Links that led nowhere. */
  readonly missing: readonly string[];
  /** What could not be processed, and why. */
  readonly problems: readonly { readonly url: string; readonly problem: string }[];
  readonly words: ReadonlyMap<string, number>;
}

class Crawl implements Crawled {
  pages = 0;
  readonly missing: string[] = [];
  readonly problems: { readonly url: string; readonly problem: string }[] = [];
  readonly words = new Map<string, number>();
  private readonly origin: string;
  private readonly seen = new Set<string>();
  private readonly open = new Set<string>();

  constructor(origin: string) {
    this.origin = origin;
  }

  get isDone(): boolean {
    return this.open.size === 0;
  }

  /** Whether a page is one to crawl that was not sent yet; from now on it was. */
  begin(url: string): boolean {
    if (this.seen.has(url) || !url.startsWith(this.origin)) return false;
    this.seen.add(url);
    this.open.add(url);
    return true;
  }

  /** Whether this was the page's first result. */
  finish({ url, status, words, problem }: Result): boolean {
    if (!this.open.delete(url)) return false;
    if (problem !== undefined) this.problems.push({ url, problem });
    else if (status !== 200) this.missing.push(url);
    else {
      this.pages++;
      for (const [word, count] of Object.entries(words))
        this.words.set(word, (this.words.get(word) ?? 0) + count);
    }
    return true;
  }
}

/** Crawls from a page to all that it leads to, by stages that run elsewhere. */
export const crawl = operation(function* crawl(
  start: string,
  { jobs, results }: Queues,
  tell: (url: string) => void,
): Coroutine<Crawled> {
  const state = new Crawl(new URL(start).origin);
  const whole = new CancelScope();
  yield* use(jobs.openSender(), function* (sender) {
    yield* use(results.openReceiver(), function* (receiver) {
      const send = operation(function* send(url: string): Coroutine<void> {
        if (!state.begin(url)) return;
        tell(url);
        yield* sender.send({ url });
      });
      yield* send(start);
      yield* whole.run(
        forEachDelivery(receiver, function* (result) {
          // Before it counts as finished: whoever looks in between sees the pages that are still to come.
          for (const link of result.links) yield* send(link);
          state.finish(result);
          if (state.isDone) whole.cancel();
        }),
      );
    });
  });
  return state;
});
