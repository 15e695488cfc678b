#!/usr/bin/env node
/** The command: reads what is asked for, shows the prices until Ctrl+C, or looks at itself once. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Coroutine, operation, type TaskGroup } from "anyloop";
import { BindError, runMain } from "@anyloop/io";
import { type Command, help, parseCommandLine } from "./command-line.ts";
import { dashboard, type Running } from "./dashboard.ts";
import { type Findings, selfCheck } from "./self-check.ts";
import { readSources } from "./source.ts";
import { UserError, userErrorExitCode } from "./user-error.ts";

const page = fileURLToPath(new URL("../dist", import.meta.url));

/** Milliseconds that `--once` waits beside the time that the sources have. */
const patience = 5_000;

function describe({ ok, page: hasPage, events, sources }: Findings): string {
  const lines = sources.map(({ name, price, problem }) => {
    const shown = price === undefined ? "no price" : price.toFixed(2);
    return `  ${name.padEnd(12)} ${shown.padStart(10)}${problem === undefined ? "" : `   ${problem}`}`;
  });
  const verdict = ok ? "All is well." : "Something is wrong: see above.";
  return [`page ${hasPage ? "ok" : "MISSING"}, ${events} boards seen`, ...lines, verdict].join("\n");
}

const checkOnce = operation(function* checkOnce(
  { url }: Running,
  { timeout, json }: Command,
  group: TaskGroup,
): Coroutine<void> {
  const findings = yield* selfCheck(url, timeout + patience);
  console.log(json ? JSON.stringify(findings) : describe(findings));
  if (!findings.ok) process.exitCode = 1;
  group.cancel("looked once");
});

function tell({ url, sourcesUrl }: Running): void {
  console.log(`The dashboard is at ${url} (Ctrl+C ends it)`);
  if (sourcesUrl === undefined) return;
  console.log(`Bundled sources. End one:      curl -X PUT ${sourcesUrl}/deaths/steady`);
  console.log(`                 and bring it back: curl -X DELETE ${sourcesUrl}/deaths/steady`);
}

const main = operation(function* main(command: Command): Coroutine<void> {
  const sources = command.sources === undefined ? undefined : yield* readSources(command.sources);
  yield* dashboard({ ...command, sources, page }, (running, group) => {
    if (command.once) group.startSoon(checkOnce(running, command, group));
    else tell(running);
  });
});

async function start(args: readonly string[]): Promise<void> {
  const command = parseCommandLine(args);
  if (command === undefined) {
    console.log(help);
    return;
  }
  if (!existsSync(page)) {
    throw new UserError(
      "The page is not built. Start with `npx -y pnpm@12 dashboard`, which builds it first.",
    );
  }
  await runMain(main(command));
}

try {
  await start(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UserError || error instanceof BindError)) throw error;
  console.error(`anyloop-dashboard: ${error.message}`);
  process.exitCode = userErrorExitCode;
}
