/** `npx -y pnpm@12 bench`: every scenario, for us and for those a user would pick instead, on this machine. */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { judge } from "./goals.ts";
import { growthOf } from "./growth.ts";
import { type Effort, measure, playersOf } from "./measure.ts";
import { updateReadme } from "./readme.ts";
import { writeReport } from "./report.ts";
import type { Growth, Results, Row } from "./results.ts";
import { type Runtime, runtimeAt } from "./runtime.ts";
import type { Scenario } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";
import { bundleBytes, startUp } from "./smallest.ts";
import { printTable, printVerdicts } from "./table.ts";

const help = `Usage: npx -y pnpm@12 bench [options]

Every scenario for anyloop and for its peers, each contestant in a process of its own, taking turns; medians.

  --only TEXT     only scenarios whose name or id contains TEXT
  --quick         fewer rounds and smaller sizes: a first look in about two minutes, while engines
                  still compile; goals are judged in a full run only
  --node PATH     run the contestants with this Node, Bun or Deno; more than once to compare them
  --json          the figures, for programs
  --report DIR    also write DIR/index.html with charts, and how figures grow from 1 000 to 1 000 000
  --readme        also write the table into README.md
  --help          this text
`;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    node: { type: "string", multiple: true, default: [process.execPath] },
    json: { type: "boolean", default: false },
    report: { type: "string" },
    readme: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const effort: Effort = values.quick
  ? { rounds: 3, warmUps: 1, turn: 15, patience: 100 }
  : { rounds: 5, warmUps: 2, turn: 100, patience: 4000 };

/** On the error stream, so that the figures can be piped. */
function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u001B[K${text}` : `${text}\n`);
}

function isWanted(...names: readonly string[]): boolean {
  const { only } = values;
  return only === undefined || names.some((name) => name.includes(only));
}

async function rowOf(scenario: Scenario, runtime: Runtime): Promise<Row> {
  const players = await playersOf(scenario, runtime);
  const size = values.quick && scenario.isFixed !== true ? scenario.size / 5 : scenario.size;
  try {
    return {
      id: scenario.id,
      title: scenario.title,
      unit: scenario.unit ?? "ns",
      size,
      ...(await measure(scenario, players, size, effort)),
    };
  } finally {
    await Promise.all(players.map((player) => player.end()));
  }
}

async function resultsOn(runtime: Runtime): Promise<Results> {
  const wanted = scenarios.filter(({ id, title }) => isWanted(id, title));
  const rows: Row[] = [];
  const growth: Growth[] = [];
  for (const [index, scenario] of wanted.entries()) {
    progress(`${runtime.name}: ${scenario.title} (${String(index + 1)} of ${String(wanted.length)})`);
    rows.push(await rowOf(scenario, runtime));
    if (values.report !== undefined && scenario.growth !== undefined) {
      growth.push(await growthOf(scenario, scenario.growth, runtime));
    }
  }
  if (isWanted("start-up")) {
    const figures = await startUp(runtime, effort.rounds);
    rows.push({
      id: "start-up",
      title: "start-up of the smallest program",
      unit: "ms",
      size: 1,
      figures,
      fewer: {},
    });
  }
  if (isWanted("bundle")) {
    const figures = await bundleBytes();
    rows.push({
      id: "bundle",
      title: "bundle of the smallest program",
      unit: "B",
      size: 1,
      figures,
      fewer: {},
    });
  }
  if (rows.length === 0)
    throw new Error(`No scenario has "${String(values.only)}" in its name. See scenarios.ts.`);
  return {
    runtime: runtime.name,
    machine: `${String(cpus().length)} × ${cpus()[0]?.model.trim() ?? "an unknown processor"}`,
    date: new Date().toISOString().slice(0, 10),
    rounds: effort.rounds,
    rows,
    growth,
  };
}

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const all: Results[] = [];
  for (const runtime of values.node.map(runtimeAt)) all.push(await resultsOn(runtime));
  progress("");
  if (values.json) {
    process.stdout.write(
      `${JSON.stringify(
        all.map((results) => ({ ...results, goals: values.quick ? [] : judge(results) })),
        undefined,
        2,
      )}\n`,
    );
  } else {
    for (const results of all) {
      printTable(results);
      if (!values.quick) printVerdicts(judge(results));
    }
  }
  if (values.report !== undefined) progress(`Charts: ${await writeReport(values.report, all)}\n`);
  if (values.readme && all[0] !== undefined) await updateReadme(all[0]);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
