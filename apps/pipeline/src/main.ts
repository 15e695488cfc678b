#!/usr/bin/env node
/** The command: reads what is asked for, does it, says how it went. Ctrl+C ends it cleanly, a second one at once. */
import { runMain, signals } from "@anyloop/io";
import { AnyloopError, errorsOf, now, type Operation, operation } from "anyloop";
import { runStageHere } from "./apart.ts";
import { type Command, help, parseCommandLine, type PipelineOptions } from "./command-line.ts";
import type { Crawled } from "./crawl.ts";
import { pipeline } from "./pipeline.ts";
import { Progress, tableOf } from "./progress.ts";
import { Tally } from "./tally.ts";
import { UserError, userErrorExitCode } from "./user-error.ts";

function mostFrequent({ words }: Crawled, top: number): [word: string, count: number][] {
  return [...words].sort(([a, i], [b, k]) => k - i || (a < b ? -1 : 1)).slice(0, top);
}

function textOf(crawled: Crawled, stages: readonly string[], milliseconds: number, top: number): string {
  const { pages, missing, problems } = crawled;
  return [
    ...stages,
    "",
    `${String(pages)} pages in ${(milliseconds / 1_000).toFixed(1)} s. The most frequent words:`,
    ...mostFrequent(crawled, top).map(([word, count]) => `${String(count).padStart(8)}  ${word}`),
    ...missing.map((url) => `No such page: ${url}`),
    ...problems.map(({ url, problem }) => `Not processed: ${url}. ${problem}`),
  ].join("\n");
}

const crawlAndTell = operation(function* crawlAndTell(options: PipelineOptions) {
  const tally = new Tally();
  const progress = new Progress(tally);
  const start = now();
  const crawled = yield* progress.during(
    pipeline(options, { found: tally.find, tell: tally.add, say: progress.say }),
  );
  const milliseconds = now() - start;
  const stages = tally.progress();
  const { pages, missing, problems } = crawled;
  if (options.json) {
    const words = Object.fromEntries(mostFrequent(crawled, options.top));
    console.log(
      JSON.stringify(
        { over: options.over, milliseconds, pages, missing, problems, stages, words },
        undefined,
        2,
      ),
    );
  } else console.log(textOf(crawled, tableOf(stages), milliseconds, options.top));
  if (problems.length > 0) process.exitCode = 1;
});

function mainOf(command: Exclude<Command, { kind: "help" }>): Operation<void> {
  if (command.kind === "pipeline") return crawlAndTell(command.options);
  // A terminal sends Ctrl+C to us as well. It is meant for whoever started us, who ends us then: received, and never taken.
  signals("SIGINT");
  return runStageHere(command.stage, command.place, command.workers);
}

/** Says in a line what ended the program; a defect keeps its trace. */
function explain(error: unknown): number {
  const [first] = errorsOf(error);
  if (!(first instanceof UserError || first instanceof AnyloopError)) throw error;
  console.error(`anyloop-pipeline: ${first.message}`);
  return userErrorExitCode;
}

try {
  const command = parseCommandLine(process.argv.slice(2));
  if (command.kind === "help") console.log(help);
  else await runMain(mainOf(command));
} catch (error) {
  process.exitCode = explain(error);
}
