/**
 * The stages: what each does with one item, and nothing about where it runs or what carries the items.
 *
 * Invariant: a stage acknowledges an item only once what came of it is stored in the next queue. So wherever it is killed,
 * the item is there still, and nothing but its work is done twice.
 */
import { forEachDelivery, type WorkQueue } from "@anyloop/bridge-broker";
import { type Coroutine, fromPromise, operation, type Operation, sleep, taskGroup, use } from "anyloop";
import type { Job, Page, Result, Text } from "./items.ts";

/** The queues between the stages, from the first to the last. */
export interface Queues {
  readonly jobs: WorkQueue<Job>;
  readonly pages: WorkQueue<Page>;
  readonly texts: WorkQueue<Text>;
  readonly results: WorkQueue<Result>;
}

export const stageNames = ["fetch", "parse", "count"] as const;
export type StageName = (typeof stageNames)[number];

/** A stage is done with an item. */
export interface Report {
  readonly stage: StageName;
  readonly url: string;
  /** How often the item was handed out; more than once, if somebody before did not get to its end. */
  readonly deliveries: number;
}

export interface StageOptions {
  /** Who does the work; the stage itself if not given. */
  readonly works?: Works;
  /** How many items of a stage are worked on at once. */
  readonly workers: number;
  readonly tell: (report: Report) => void;
}

/** What each stage does with an item: here, or asked of a thread that does it. */
export interface Works {
  fetch(job: Job): Operation<Page>;
  parse(page: Page): Operation<Text>;
  count(text: Text): Operation<Result>;
}

const fetchPage = operation(function* fetchPage({ url }: Job): Coroutine<Page> {
  return yield* fromPromise(async (signal) => {
    const response = await fetch(url, { signal });
    return { url, status: response.status, html: await response.text() };
  });
});

const parsePage = operation(function* parsePage({ url, status, html }: Page): Coroutine<Text> {
  // A turn for the others: a page may be long.
  yield* sleep(0);
  const links = [...html.matchAll(/<a\s[^>]*href="([^"#]*)/g)].map(
    ([, link = ""]) => new URL(link, url).href,
  );
  const text = html.replaceAll(/<(script|style)[\s\S]*?<\/\1>|<[^>]*>/g, " ");
  return { url, status, links: [...new Set(links)], text };
});

const countWords = operation(function* countWords({ url, status, links, text }: Text): Coroutine<Result> {
  yield* sleep(0);
  const words: Record<string, number> = Object.create(null) as Record<string, number>;
  if (status === 200) {
    for (const [word] of text.toLowerCase().matchAll(/\p{L}+/gu)) words[word] = (words[word] ?? 0) + 1;
  }
  return { url, status, links, words };
});

const performStage = operation(function* performStage<I extends { readonly url: string }, O>(
  stage: StageName,
  input: WorkQueue<I>,
  output: WorkQueue<O>,
  work: (item: I) => Operation<O>,
  { workers, tell }: StageOptions,
): Coroutine<void> {
  yield* use(input.openReceiver(), (receiver) =>
    use(output.openSender(), (sender) =>
      taskGroup(function* (group) {
        for (let worker = 0; worker < workers; worker++) {
          group.startSoon(
            forEachDelivery(
              receiver,
              function* (item, { deliveries }) {
                yield* sender.send(yield* work(item));
                tell({ stage, url: item.url, deliveries });
              },
              // It was given back, and comes again until the queue calls it poison.
              { onError: (error) => console.error(`${stage}: ${String(error)}`) },
            ),
          );
        }
      }),
    ),
  );
});

/** The work itself, done here. */
export const worksHere: Works = { fetch: fetchPage, parse: parsePage, count: countWords };

type Perform = (queues: Queues, works: Works, options: StageOptions) => Operation<void>;

const performers: Record<StageName, Perform> = {
  fetch: ({ jobs, pages }, { fetch }, options) => performStage("fetch", jobs, pages, fetch, options),
  parse: ({ pages, texts }, { parse }, options) => performStage("parse", pages, texts, parse, options),
  count: ({ texts, results }, { count }, options) => performStage("count", texts, results, count, options),
};

/** Runs a stage until it is cancelled. */
export function runStage(stage: StageName, queues: Queues, options: StageOptions): Operation<void> {
  return performers[stage](queues, options.works ?? worksHere, options);
}
