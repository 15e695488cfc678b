/**
 * What carries the items: the one line that differs between one process and many.
 *
 * Invariant: an item that cannot be processed becomes a result that says so; none disappears.
 */
import { type DeadLetter, memoryWorkQueue, type Poison, type WorkQueue } from "@anyloop/bridge-broker";
import { natsWorkQueue } from "@anyloop/bridge-nats";
import { redisWorkQueue } from "@anyloop/bridge-redis";
import { type Operation, use } from "anyloop";
import type { Job, Page, Result, Text } from "./items.ts";
import type { Queues } from "./stages.ts";

/** Where the queues of several processes are. */
export interface Place {
  readonly over: "redis" | "nats";
  /** The server's address. */
  readonly server: string;
  /** What the names of this run's queues begin with. */
  readonly run: string;
}

type Options<T> = { readonly capacity: number; readonly redeliverAfter: number; readonly poison?: Poison<T> };
type Make = <T>(name: string, options: Options<T>) => WorkQueue<T>;

/** Milliseconds: so soon another process has what a killed one was working on. */
const redeliverAfter = 2_000;
/** Most items between two stages. Jobs and results have no such limit: whoever reads results writes jobs. */
const capacity = 100;
/** So often an item is tried. */
const tries = 5;

function queuesMade(make: Make): Queues {
  const results = make<Result>("results", { capacity: Infinity, redeliverAfter });
  const handle = (letter: DeadLetter<{ url: string }>): Operation<void> => sendProblem(results, letter);
  const poison = { after: tries, handle };
  return {
    jobs: make<Job>("jobs", { capacity: Infinity, redeliverAfter, poison }),
    pages: make<Page>("pages", { capacity, redeliverAfter, poison }),
    texts: make<Text>("texts", { capacity, redeliverAfter, poison }),
    results,
  };
}

function sendProblem(
  results: WorkQueue<Result>,
  { value, raw, reason }: DeadLetter<{ url: string }>,
): Operation<void> {
  const result = { url: value?.url ?? String(raw), status: 0, links: [], words: {}, problem: reason };
  return use(results.openSender(), (sender) => sender.send(result));
}

export function memoryQueues(): Queues {
  return queuesMade((_, options) => memoryWorkQueue(options));
}

export function brokerQueues({ over, server, run }: Place): Queues {
  return queuesMade((name, options) =>
    over === "redis"
      ? redisWorkQueue({ ...options, url: server, stream: `${run}-${name}` })
      : natsWorkQueue({ ...options, servers: server, stream: `${run}-${name}` }),
  );
}
