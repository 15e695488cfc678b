/**
 * Stages as processes of their own, over a broker.
 *
 * Invariant: while this runs, each stage has as many processes as it should: one that ends is started again, and what it
 * was working on comes back to it or to another. They end with us, however we end: their standard input is a pipe of ours.
 */
import { fileURLToPath } from "node:url";
import { openProcess } from "@anyloop/io";
import { type Coroutine, forEach, fromPromise, linesOf, operation, race, taskGroup, use } from "anyloop";
import { brokerQueues, type Place } from "./queues.ts";
import { type Report, runStage, type StageName, stageNames } from "./stages.ts";
import { UserError } from "./user-error.ts";

export interface ApartOptions {
  readonly place: Place;
  readonly workers: number;
  readonly processes: number;
  readonly tell: (report: Report) => void;
  /** Told in a line what a person may want to know. */
  readonly say: (line: string) => void;
}

/** So often a process may fail by itself: not by a signal, which is somebody's wish. */
const mostFailures = 3;

const program = fileURLToPath(new URL("main.ts", import.meta.url));

function commandOf(stage: StageName, { place, workers }: ApartOptions): readonly [string, ...string[]] {
  const { over, server, run } = place;
  const options = ["--over", over, "--server", server, "--run", run, "--workers", String(workers)];
  return [process.execPath, ...process.execArgv, program, "stage", stage, ...options];
}

/** One process, from its start to its end; gives how it ended. */
const runOne = operation(function* runOne(stage: StageName, options: ApartOptions) {
  const { tell, say } = options;
  return yield* use(openProcess(commandOf(stage, options), { stderr: "inherit" }), function* (child) {
    say(`${stage}: process ${String(child.pid)}`);
    yield* forEach(linesOf(child.stdout), (line) => {
      const report = reportIn(line);
      if (report !== undefined) tell(report);
    });
    return yield* child.wait();
  });
});

/** Nothing if it was killed in the middle of the line. */
function reportIn(line: string): Report | undefined {
  try {
    return JSON.parse(line) as Report;
  } catch {
    return undefined;
  }
}

const keepRunning = operation(function* keepRunning(
  stage: StageName,
  options: ApartOptions,
): Coroutine<never> {
  for (let failures = 0; ;) {
    const { exitCode, signal } = yield* runOne(stage, options);
    if (exitCode !== undefined && ++failures === mostFailures) {
      throw new UserError(
        `The stage ${stage} has failed ${String(failures)} times, as its messages above say.`,
      );
    }
    options.say(`${stage}: ended by ${signal ?? `exit code ${String(exitCode)}`}, started again`);
  }
});

/** Keeps the processes of all stages until it is cancelled. */
export const keepStagesRunning = operation(function* keepStagesRunning(
  options: ApartOptions,
): Coroutine<void> {
  yield* taskGroup(function* (group) {
    for (const stage of stageNames) {
      for (let index = 0; index < options.processes; index++) group.startSoon(keepRunning(stage, options));
    }
  });
});

/** What one of these processes does: the stage, until whoever started it ends it, or has gone. */
export const runStageHere = operation(function* runStageHere(
  stage: StageName,
  place: Place,
  workers: number,
): Coroutine<void> {
  const tell = (report: Report): void => console.log(JSON.stringify(report));
  // Nobody reads it any more: then nobody started us either, as the standard input says.
  process.stdout.on("error", () => {});
  yield* race([runStage(stage, brokerQueues(place), { workers, tell }), fromPromise(standardInputEnds())]);
});

function standardInputEnds(): Promise<void> {
  return new Promise((resolve) => {
    process.stdin.resume().once("close", resolve).once("end", resolve);
  });
}
