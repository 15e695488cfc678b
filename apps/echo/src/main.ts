#!/usr/bin/env node
/** The command: reads what is asked for, does it, says how it went. Ctrl+C ends it cleanly, a second one at once. */
import { AnyloopError, errorsOf } from "anyloop";
import { runMain } from "@anyloop/io";
import { backends } from "./backends.ts";
import { type Command, help, parseCommandLine } from "./command-line.ts";
import { compare, holdIdle } from "./compare.ts";
import { load } from "./load.ts";
import { comparisonText, loadText } from "./report.ts";
import { serve } from "./serve.ts";
import { UserError, userErrorExitCode } from "./user-error.ts";

async function main(command: Command): Promise<void> {
  switch (command.kind) {
    case "help":
      console.log(help);
      return;
    case "serve":
      await runMain(serve({ ...command.options, tell: console.log }), {
        backend: backends[command.backend](),
      });
      return;
    case "load": {
      const report = await runMain(load(command.options), { backend: backends[command.backend]() });
      if (report === undefined) return;
      console.log(command.json ? JSON.stringify(report, undefined, 2) : loadText(report));
      return;
    }
    case "compare": {
      const options = { quick: command.quick, tell: console.error };
      const comparisons = await compare(options);
      const idle = await holdIdle(options);
      console.log(
        command.json
          ? JSON.stringify({ comparisons, idle }, undefined, 2)
          : comparisonText(comparisons, idle),
      );
    }
  }
}

/** Says in a line what ended the program; a defect keeps its trace. */
function explain(error: unknown): number {
  const [first] = errorsOf(error);
  if (!(first instanceof UserError || first instanceof AnyloopError)) throw error;
  console.error(`anyloop-echo: ${first.message}`);
  return userErrorExitCode;
}

try {
  await main(parseCommandLine(process.argv.slice(2)));
} catch (error) {
  process.exitCode = explain(error);
}
