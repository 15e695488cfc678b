#!/usr/bin/env node
/**
 * The command: reads what is asked for, does it, says how it went.
 *
 * Invariant: it never ends the process by force (but see `interruptible`), so a fetch that left something behind would
 * show as a program that does not end.
 */
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import type { Operation } from "anyloop";
import { readChecksums } from "./checksums.ts";
import { type FetchCommand, help, parseCommandLine } from "./command-line.ts";
import { demo, demoTitle } from "./demo.ts";
import { type BackendRun, doAgree, fetchMeasured, type Measured, onEach } from "./fetch-on.ts";
import { Interrupted, interruptedExitCode, interruptible } from "./interrupt.ts";
import type { Target } from "./part-file.ts";
import { asJson, asText } from "./report.ts";
import { saveTargets } from "./save-targets.ts";
import { readUrls } from "./url-list.ts";
import { UserError, userErrorExitCode } from "./user-error.ts";

/** Gives the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const command = parseCommandLine(args, process.stdin.isTTY);
  if (command.kind === "help" || command.kind === "version") {
    console.log(command.kind === "help" ? help : version());
    return 0;
  }
  const isDemo = command.kind === "demo";
  const runs = await (isDemo ? interruptible(demo) : fetchAsAsked(command));
  if (isDemo && !command.json) console.log(demoTitle);
  console.log(command.json ? asJson(runs) : asText(runs));
  return (isDemo ? doAgree(runs) : runs.every(isComplete)) ? 0 : 1;
}

async function fetchAsAsked(command: FetchCommand): Promise<readonly BackendRun[]> {
  const urls = await readUrls(command.urls, command.file);
  const targets = await targetsOf(command, urls);
  const work = (): Operation<Measured> => fetchMeasured(urls, { ...command.options, targets });
  return await interruptible((signal) => onEach(command.backends, work, signal));
}

async function targetsOf(
  { output, checksums }: FetchCommand,
  urls: readonly string[],
): Promise<readonly Target[] | undefined> {
  if (output === undefined) return undefined;
  const known = checksums === undefined ? new Map<string, string>() : await readChecksums(checksums);
  const targets = saveTargets(urls, output, known);
  try {
    await mkdir(output, { recursive: true });
  } catch (error) {
    throw new UserError(`${output} cannot be made a folder: ${(error as Error).message}`);
  }
  return targets;
}

function isComplete({ results }: BackendRun): boolean {
  return results.every(({ error }) => error === undefined);
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return version;
}

/** Says in one line what ended the program; a defect keeps its trace. */
function explain(error: unknown): number {
  if (error instanceof Interrupted) {
    console.error("anyloop-fetch: stopped by Ctrl+C; no request was left behind.");
    return interruptedExitCode;
  }
  if (!(error instanceof UserError)) throw error;
  console.error(`anyloop-fetch: ${error.message}`);
  return userErrorExitCode;
}

// A reader that has seen enough, such as `head`, is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});
process.exitCode = await main(process.argv.slice(2)).catch(explain);
