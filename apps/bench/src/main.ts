/** `npx -y pnpm@12 bench`: the first figures, for us and those we are measured against, in one run on this machine. */
import { parseArgs } from "node:util";
import { kernel, native } from "anyloop";
import { bytesPerParkedTask } from "./memory.ts";
import { measure } from "./measure.ts";
import { printTable, type Row } from "./report.ts";
import { scenarios } from "./scenarios.ts";

const help = `anyloop bench: nanoseconds an item, median of the rounds, interleaved.

  --only TEXT   only scenarios whose name contains TEXT
  --quick       3 rounds instead of 9
  --json        figures for programs
  --help        this text
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      quick: { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(help);
    return;
  }
  const wanted = (name: string): boolean => values.only === undefined || name.includes(values.only);
  const rounds = values.quick === true ? 3 : 9;
  const backends = { kernel: kernel(), native: native() };
  const rows: Row[] = [];
  for (const scenario of scenarios(backends)) {
    if (!wanted(scenario.name)) continue;
    if (values.json !== true) process.stderr.write(`${scenario.name}…\n`);
    rows.push({ name: scenario.name, unit: "ns", figures: await measure(scenario, rounds) });
  }
  const memory = "bytes per parked task";
  if (wanted(memory)) rows.push({ name: memory, unit: "B", figures: await bytesPerParkedTask(backends) });
  if (rows.length === 0) throw new Error(`No scenario has "${String(values.only)}" in its name.`);
  if (values.json === true) process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
  else printTable(rows);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
