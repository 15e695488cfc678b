// Runs the tests once under each runtime, and closes with a table, which it can write to docs/runtimes.md.
import { execFileSync, spawn } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs, stripVTControlCharacters } from "node:util";
import { type Runtime, runtimes, versionOf } from "./runtimes.ts";

interface Result {
  readonly runtime: Runtime;
  readonly outcome: "passed" | "FAILED" | "NOT RUN";
  /** How many tests; missing if the run did not get as far as counting. */
  readonly passed?: number | undefined;
  readonly failed?: number | undefined;
  readonly skipped?: number | undefined;
  readonly seconds: number;
  /** Tests that failed. */
  readonly failures: readonly string[];
}

interface Choice {
  readonly wanted: readonly Runtime[];
  /** Folders and files of tests; all if there are none. */
  readonly paths: readonly string[];
  readonly smoke: boolean;
  readonly write: boolean;
}

/** Tests that start programs of their own with switches that only the pinned Node knows: it is what they test. */
const pinnedNodeOnly = [
  "packages/kernel/test/process.node.test.ts",
  "packages/anyloop/test/{bundle,examples}.node.test.ts",
  "packages/testing/test/vitest/{failing,examples}.node.test.ts",
  "apps/{fetch,dashboard}/test/main.node.test.ts",
  "apps/echo/test/echo.node.test.ts",
  "apps/pipeline/test/pipeline.node.test.ts",
  "packages/bridge-{redis,nats}/test/*-faults.node.test.ts",
  "packages/bridge-broker/test/broker-examples.node.test.ts",
];

/** A little of core, kernel and native: whether they work in a runtime at all. */
const smokeTests = [
  "packages/kernel/test/kernel.test.ts",
  "packages/testing/test/{backend.conformance,group-life,scope-trees}.test.ts",
];

const table = "docs/runtimes.md";

const usage = `Usage: test:runtimes [--smoke] [--write] [runtime…] [folder or file, with a slash…]

Runs the tests (of folders or files, if any are named) under the runtimes named, or under all:
${runtimes.map(({ name }) => name).join(", ")}.
Of all, one that this machine has not is passed over, loudly.

  --smoke  only a few tests, and nobody is missed
  --write  writes their rows of the table in ${table}; wants all tests`;

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

function choice(): Choice {
  let positionals: string[];
  let options: { help?: boolean; smoke?: boolean; write?: boolean };
  try {
    ({ values: options, positionals } = parseArgs({
      options: {
        help: { type: "boolean", short: "h" },
        smoke: { type: "boolean" },
        write: { type: "boolean" },
      },
      allowPositionals: true,
    }));
  } catch (error) {
    fail(`${(error as Error).message}\n\n${usage}`);
  }
  const { help = false, smoke = false, write = false } = options;
  if (help) {
    console.log(usage);
    process.exit(0);
  }
  const paths = positionals.filter((argument) => argument.includes("/"));
  const names = positionals.filter((argument) => !argument.includes("/"));
  if (write && (smoke || paths.length > 0)) fail(`--write wants all tests.\n\n${usage}`);
  for (const name of names) {
    if (!runtimes.some((runtime) => runtime.name === name))
      fail(`There is no runtime "${name}".\n\n${usage}`);
  }
  const wanted = runtimes.filter(({ name }) => names.length === 0 || names.includes(name));
  const isNamed = names.length > 0 && !smoke;
  for (const { engine, missing } of wanted) if (engine === undefined && (isNamed || write)) fail(missing);
  return { wanted, paths, smoke, write };
}

function filesOf(patterns: readonly string[]): readonly string[] {
  return patterns.flatMap((pattern) => {
    const files = globSync(pattern);
    if (files.length === 0) fail(`No test is called ${pattern} any more: mend test-runtimes.ts.`);
    return files;
  });
}

async function test(runtime: Runtime, files: readonly string[]): Promise<Result> {
  const started = performance.now();
  const child = spawn(
    runtime.command,
    [...runtime.args, "node_modules/vitest/vitest.mjs", "run", ...runtime.vitest, ...files],
    {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}),
        ...process.env,
        ANYLOOP_RUNTIME: runtime.name,
        DENO_NO_UPDATE_CHECK: "1",
        DO_NOT_TRACK: "1",
      },
    },
  );
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    process.stdout.write(text);
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  const plain = stripVTControlCharacters(output);
  // The last line of count-reporter.ts.
  const counts = [...plain.matchAll(/^(\d+) passed, (\d+) failed, (\d+) skipped$/gm)].at(-1);
  const [passed, failed, skipped] = counts?.slice(1).map(Number) ?? [];
  return {
    runtime,
    outcome: status === 0 && passed !== undefined && passed > 0 ? "passed" : "FAILED",
    passed,
    failed,
    skipped,
    seconds: Math.round((performance.now() - started) / 100) / 10,
    failures: [...plain.matchAll(/^ ?FAIL +(.*)$/gm)].map((match) => match[1] ?? ""),
  };
}

function notRun(runtime: Runtime): Result {
  const line = "!".repeat(100);
  console.log(`${line}\nNOT RUN under ${runtime.name}: ${runtime.missing}\n${line}`);
  return { runtime, outcome: "NOT RUN", seconds: 0, failures: [] };
}

function printTable(results: readonly Result[]): void {
  const rows = [
    ["runtime", "outcome", "passed", "failed", "skipped", "seconds"],
    ...results.map(({ runtime, outcome, passed, failed, skipped, seconds }) => [
      runtime.name,
      outcome,
      ...[passed, failed, skipped].map((count) => String(count ?? "?")),
      seconds.toFixed(1),
    ]),
  ];
  console.log();
  for (const row of rows) {
    console.log(row.map((cell, column) => (column < 2 ? cell.padEnd(8) : cell.padStart(8))).join(" "));
  }
}

/** The table's row of a runtime and the tests that failed there: as it has just been, or else as the table has it. */
function linesOf(runtime: Runtime, result: Result | undefined, before: readonly string[]): string[] {
  const { name } = runtime;
  if (result === undefined) {
    return before.filter((line) => line.startsWith(`| ${name} `) || line.startsWith(`- ${name}: `));
  }
  const { outcome, passed, failed, skipped, failures } = result;
  const counts = [passed, failed, skipped].map((count) => String(count ?? "?"));
  return [
    `| ${[name, versionOf(runtime), outcome, ...counts].join(" | ")} |`,
    ...failures.map((failure) => `- ${name}: ${failure}`),
  ];
}

function writeTable(results: readonly Result[]): void {
  const before = readFileSync(table, "utf8").split("\n");
  const lines = runtimes.flatMap((runtime) =>
    linesOf(
      runtime,
      results.find((result) => result.runtime === runtime),
      before,
    ),
  );
  const rows = lines.filter((line) => line.startsWith("|"));
  const failures = lines.filter((line) => line.startsWith("-"));
  writeFileSync(
    table,
    `# Where the tests pass

Written by \`npx -y pnpm@12 test:runtimes --write\`. Every runtime gets the same tests, but those called \`*.node.test.ts\` in a browser, those called \`*.browser.test.ts\` outside one, and those of how the pinned Node starts and ends programs elsewhere. A skipped test says why in its name: a browser, for one, has no \`AsyncLocalStorage\`, so it takes no async bodies.

| runtime | version | outcome | passed | failed | skipped |
| ------- | ------- | ------- | ------ | ------ | ------- |
${rows.join("\n")}
${failures.length === 0 ? "" : `\nWhat failed:\n\n${failures.join("\n")}\n`}`,
  );
  // As wide as its cells, which `format:check` wants.
  execFileSync("oxfmt", [table]);
}

process.chdir(path.resolve(import.meta.dirname, ".."));
const { wanted, paths, smoke, write } = choice();
const exclude = filesOf(pinnedNodeOnly);
const files = smoke ? filesOf(smokeTests) : [...paths, ...exclude.flatMap((file) => ["--exclude", file])];
if (!smoke) {
  console.log(
    `Left out, because they test how the pinned Node starts and ends programs: ${exclude.join(", ")}`,
  );
}
const results: Result[] = [];
for (const runtime of wanted) {
  console.log(`\n--- ${runtime.name}`);
  results.push(runtime.engine === undefined ? notRun(runtime) : await test(runtime, files));
}
printTable(results);
if (write) writeTable(results);
if (results.some(({ outcome }) => outcome === "FAILED")) process.exitCode = 1;
