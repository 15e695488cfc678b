/**
 * What the command line asks for.
 *
 * Invariant: whatever leaves here has been checked; every mistake is a `UserError` that says what to write instead.
 */
import { parseArgs } from "node:util";
import type { Place } from "./queues.ts";
import { type StageName, stageNames } from "./stages.ts";
import { UserError } from "./user-error.ts";

const carriers = ["memory", "threads", "redis", "nats"] as const;
type Carrier = (typeof carriers)[number];

export interface PipelineOptions {
  readonly over: Carrier;
  /** The address of a broker that runs; one of our own if not given. */
  readonly server: string | undefined;
  readonly pages: number;
  readonly workers: number;
  readonly processes: number;
  readonly top: number;
  readonly json: boolean;
}

export type Command =
  | { readonly kind: "help" }
  | { readonly kind: "pipeline"; readonly options: PipelineOptions }
  /** What the program starts itself as, once for each process of a stage. */
  | { readonly kind: "stage"; readonly stage: StageName; readonly place: Place; readonly workers: number };

const defaults = { pages: 200, workers: 4, processes: 1, top: 10 };

export const help = `Crawls a site that comes with the program, and counts its words: fetch, parse, count.

  anyloop-pipeline [options]

  --over WHAT      where the stages run, and what is between them (memory):
                     memory    tasks of one process, queues in memory
                     threads   a thread for each stage
                     redis     processes for each stage, Redis Streams
                     nats      processes for each stage, NATS JetStream
                   The stages are the same. Kill one of the processes: nothing is lost.
  --server URL     of a Redis or NATS that runs; without it the program starts one of its own
  --pages N        of the site (${String(defaults.pages)})
  --workers N      tasks of a stage in each process (${String(defaults.workers)})
  --processes N    of each stage, over redis and nats (${String(defaults.processes)})
  --top N          the most frequent words to print (${String(defaults.top)})
  --json           print JSON
  --help

Exit code: 0 done, 1 some pages could not be processed, 2 a mistake in what was asked for or no server,
130 stopped by Ctrl+C.`;

const flags = {
  over: { type: "string" },
  server: { type: "string" },
  pages: { type: "string" },
  workers: { type: "string" },
  processes: { type: "string" },
  top: { type: "string" },
  run: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof parse>["values"];

export function parseCommandLine(args: readonly string[]): Command {
  const { values, positionals } = parse(args);
  const [verb, name, ...more] = positionals;
  if (values.help === true) return { kind: "help" };
  const workers = wholeNumber("workers", values.workers, defaults.workers);
  if (verb === "stage" && more.length === 0) {
    return { kind: "stage", stage: oneOf("stage", stageNames, name), place: placeOf(values), workers };
  }
  if (verb !== undefined)
    throw new UserError(`There is nothing called ${JSON.stringify(verb)}. "--help" lists the options.`);
  const over = oneOf("carrier", carriers, values.over ?? "memory");
  const { server, json = false } = values;
  if (server !== undefined && over !== "redis" && over !== "nats") {
    throw new UserError("--server is for --over redis and --over nats.");
  }
  return {
    kind: "pipeline",
    options: {
      over,
      server,
      pages: wholeNumber("pages", values.pages, defaults.pages),
      workers,
      processes: wholeNumber("processes", values.processes, defaults.processes),
      top: wholeNumber("top", values.top, defaults.top),
      json,
    },
  };
}

function placeOf({ over, server, run }: Values): Place {
  if (server === undefined || run === undefined)
    throw new UserError("A stage needs --server URL and --run NAME.");
  return { over: oneOf("carrier", ["redis", "nats"] as const, over), server, run };
}

function oneOf<const Name extends string>(
  what: string,
  names: readonly Name[],
  given: string | undefined,
): Name {
  const name = names.find((candidate) => candidate === given);
  if (name !== undefined) return name;
  throw new UserError(
    `There is no ${what} ${JSON.stringify(given ?? "")}. Give one of: ${names.join(", ")}.`,
  );
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flags, allowPositionals: true, strict: true });
  } catch (error) {
    const [sentence] = (error as Error).message.split(/\.\s|\n/);
    throw new UserError(`${String(sentence)}. "--help" lists the options.`);
  }
}

function wholeNumber(flag: string, given: string | undefined, fallback: number): number {
  if (given === undefined) return fallback;
  const value = Number(given);
  if (/^\d+$/.test(given) && Number.isSafeInteger(value) && value >= 1) return value;
  throw new UserError(`--${flag} ${JSON.stringify(given)} is not possible. Give a whole number, 1 or more.`);
}
