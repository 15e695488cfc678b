// Runs the test suite once under each runtime of tools/runtimes, and closes with a table.
import { spawn } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

interface Runtime {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

interface Result {
  readonly runtime: string;
  readonly outcome: "passed" | "FAILED";
  /** How many tests; missing if the run did not get as far as counting. */
  readonly passed: number | undefined;
  readonly failed: number | undefined;
  readonly skipped: number | undefined;
  readonly seconds: number;
}

/** Vitest reports failures with Map.groupBy, which Node has since 21: without this, Node 20 shows none of them. */
const groupBy = `Map.groupBy ??= (items, keyOf) => {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (groups.has(key)) groups.get(key).push(item);
    else groups.set(key, [item]);
  }
  return groups;
};`;

const installed = path.resolve(import.meta.dirname, "../tools/runtimes/node_modules");
const runtimes: readonly Runtime[] = [
  {
    name: "node20",
    command: "node20/bin/node",
    args: ["--import", `data:text/javascript,${encodeURIComponent(groupBy)}`],
  },
  { name: "node22", command: "node22/bin/node", args: [] },
  { name: "node24", command: "node24/bin/node", args: [] },
  { name: "bun1", command: "@oven/bun-linux-x64/bin/bun", args: ["--bun"] },
  { name: "deno2", command: "@deno/linux-x64-glibc/deno", args: ["run", "-A", "--cached-only"] },
];

/** Tests that start programs of their own with switches that only the pinned Node knows: it is what they test. */
const pinnedNodeOnly = [
  "packages/kernel/test/process.node.test.ts",
  "packages/anyloop/test/{bundle,examples}.node.test.ts",
  "packages/testing/test/vitest/failing.node.test.ts",
  "apps/fetch/test/main.node.test.ts",
];

const usage = `Usage: test:runtimes [runtime…]

Runs the tests under the runtimes named, or under all: ${runtimes.map(({ name }) => name).join(", ")}.`;

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

function chosen(): readonly Runtime[] {
  let names: string[] = [];
  try {
    const { values, positionals } = parseArgs({
      options: { help: { type: "boolean", short: "h" } },
      allowPositionals: true,
    });
    if (values.help === true) {
      console.log(usage);
      process.exit(0);
    }
    names = positionals;
  } catch (error) {
    fail(`${(error as Error).message}\n\n${usage}`);
  }
  for (const name of names) {
    if (!runtimes.some((runtime) => runtime.name === name))
      fail(`There is no runtime "${name}".\n\n${usage}`);
  }
  const wanted = runtimes.filter(({ name }) => names.length === 0 || names.includes(name));
  for (const { name, command } of wanted) {
    if (!existsSync(path.join(installed, command))) {
      fail(`${name} is not installed. The runtimes of tools/runtimes are made for Linux on x64.`);
    }
  }
  return wanted;
}

function testsOfPinnedNode(): readonly string[] {
  return pinnedNodeOnly.flatMap((pattern) => {
    const files = globSync(pattern);
    if (files.length === 0) fail(`No test is called ${pattern} any more: mend pinnedNodeOnly.`);
    return files;
  });
}

async function test({ name, command, args }: Runtime, exclude: readonly string[]): Promise<Result> {
  const started = performance.now();
  const child = spawn(
    path.join(installed, command),
    [
      ...args,
      "node_modules/vitest/vitest.mjs",
      "run",
      "--pool=forks",
      ...exclude.flatMap((file) => ["--exclude", file]),
    ],
    {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}),
        ...process.env,
        ANYLOOP_RUNTIME: name,
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
  // The last line of count-reporter.ts.
  const counts = [...output.matchAll(/^(\d+) passed, (\d+) failed, (\d+) skipped$/gm)].at(-1);
  const [passed, failed, skipped] = counts?.slice(1).map(Number) ?? [];
  return {
    runtime: name,
    outcome: status === 0 && passed !== undefined && passed > 0 ? "passed" : "FAILED",
    passed,
    failed,
    skipped,
    seconds: Math.round((performance.now() - started) / 100) / 10,
  };
}

function printTable(results: readonly Result[]): void {
  const rows = [
    ["runtime", "outcome", "passed", "failed", "skipped", "seconds"],
    ...results.map(({ runtime, outcome, passed, failed, skipped, seconds }) => [
      runtime,
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

process.chdir(path.resolve(import.meta.dirname, ".."));
const wanted = chosen();
const exclude = testsOfPinnedNode();
console.log(
  `Left out, because they test how the pinned Node starts and ends programs: ${exclude.join(", ")}`,
);
const results: Result[] = [];
for (const runtime of wanted) {
  console.log(`\n--- ${runtime.name}`);
  results.push(await test(runtime, exclude));
}
printTable(results);
if (results.some(({ outcome }) => outcome === "FAILED")) process.exitCode = 1;
