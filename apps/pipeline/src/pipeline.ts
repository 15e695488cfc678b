/** The whole: the site, the queues, the stages where they are to run, and the crawl that drives them. */
import { randomBytes } from "node:crypto";
import type { WorkQueue } from "@anyloop/bridge-broker";
import { openNatsServer } from "@anyloop/bridge-nats/server";
import { openRedisServer } from "@anyloop/bridge-redis/server";
import { type Coroutine, operation, type Operation, shield, taskGroup, use } from "anyloop";
import { keepStagesRunning } from "./apart.ts";
import type { PipelineOptions } from "./command-line.ts";
import { crawl, type Crawled } from "./crawl.ts";
import { brokerQueues, memoryQueues, type Place } from "./queues.ts";
import { openSite } from "./site.ts";
import { type Queues, type Report, runStage, stageNames, type Works, worksHere } from "./stages.ts";
import { withThreads } from "./threads.ts";

/** Who is told how it goes. */
export interface Outside {
  /** A page was found. */
  readonly found: (url: string) => void;
  readonly tell: (report: Report) => void;
  /** A line that a person may want to read. */
  readonly say: (line: string) => void;
}

/** Crawls beside stages that run until it is done. */
const crawlBeside = operation(function* crawlBeside(
  stages: readonly Operation<void>[],
  queues: Queues,
  pages: number,
  { found }: Outside,
): Coroutine<Crawled> {
  return yield* use(openSite(pages), ({ start }) =>
    taskGroup(function* (group) {
      for (const stage of stages) group.startSoon(stage, { daemon: true });
      return yield* crawl(start, queues, found);
    }),
  );
});

function crawlInMemory(
  { pages, workers }: PipelineOptions,
  outside: Outside,
  works: Works = worksHere,
): Operation<Crawled> {
  const queues = memoryQueues();
  const { tell } = outside;
  const stages = stageNames.map((stage) => runStage(stage, queues, { works, workers, tell }));
  return crawlBeside(stages, queues, pages, outside);
}

/** The queues are ours; what the stages do with the items is done by threads. */
function crawlInThreads(options: PipelineOptions, outside: Outside): Operation<Crawled> {
  return withThreads((works) => crawlInMemory(options, outside, works));
}

function crawlApart(place: Place, options: PipelineOptions, outside: Outside): Operation<Crawled> {
  const { pages, workers, processes } = options;
  const stages = keepStagesRunning({ place, workers, processes, ...outside });
  return crawlBeside([stages], brokerQueues(place), pages, outside);
}

/** Leaves a server that is not ours as it was. */
const deleteAll = operation(function* deleteAll(queues: Queues): Coroutine<void> {
  for (const queue of Object.values(queues) as WorkQueue<unknown>[]) yield* queue.delete();
});

/** A server of our own for the time of the crawl, unless there is one. */
const crawlOver = operation(function* crawlOver(
  over: Place["over"],
  options: PipelineOptions,
  outside: Outside,
): Coroutine<Crawled> {
  const run = `pipeline-${randomBytes(6).toString("hex")}`;
  const { server } = options;
  if (server !== undefined) {
    const place = { over, server, run };
    try {
      return yield* crawlApart(place, options, outside);
    } finally {
      yield* shield(deleteAll(brokerQueues(place)));
    }
  }
  return yield* use(over === "redis" ? openRedisServer() : openNatsServer(), ({ port }) =>
    crawlApart({ over, server: `${over}://127.0.0.1:${String(port)}`, run }, options, outside),
  );
});

/** Crawls the site and counts its words. */
export function pipeline(options: PipelineOptions, outside: Outside): Operation<Crawled> {
  const { over } = options;
  if (over === "memory") return crawlInMemory(options, outside);
  if (over === "threads") return crawlInThreads(options, outside);
  return crawlOver(over, options, outside);
}
