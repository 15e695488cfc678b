// The runtimes that the tests are run under, and how vitest is started in each.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { findChromium, noChromium } from "./chromium.ts";

export interface Runtime {
  readonly name: string;
  /** The program that runs vitest, and what comes before vitest on its command line. */
  readonly command: string;
  readonly args: readonly string[];
  /** What comes after. */
  readonly vitest: readonly string[];
  /** The program whose version counts. */
  readonly engine: string | undefined;
  /** Why it cannot be had here, if that is so. */
  readonly missing: string;
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

function installed(name: string, file: string, args: readonly string[]): Runtime {
  const command = path.resolve(import.meta.dirname, "../tools/runtimes/node_modules", file);
  return {
    name,
    command,
    args,
    vitest: ["--pool=forks"],
    engine: existsSync(command) ? command : undefined,
    missing: `${name} is not installed. The runtimes of tools/runtimes are made for Linux on x64.`,
  };
}

export const runtimes: readonly Runtime[] = [
  installed("node20", "node20/bin/node", ["--import", `data:text/javascript,${encodeURIComponent(groupBy)}`]),
  installed("node22", "node22/bin/node", []),
  installed("node24", "node24/bin/node", []),
  {
    name: "node26",
    command: process.execPath,
    args: [],
    vitest: ["--pool=forks"],
    engine: process.version.startsWith("v26.") ? process.execPath : undefined,
    missing: "node26 is what `pnpm` scripts run on where the project pins it. This is another Node.",
  },
  installed("bun1", "@oven/bun-linux-x64/bin/bun", ["--bun"]),
  installed("deno2", "@deno/linux-x64-glibc/deno", ["run", "-A", "--cached-only"]),
  {
    name: "chromium",
    command: process.execPath,
    args: [],
    vitest: ["--config", "vitest.browser.config.ts"],
    engine: findChromium(),
    missing: noChromium,
  },
];

/** What the runtime calls its version. */
export function versionOf({ engine = "" }: Runtime): string {
  const { stdout } = spawnSync(engine, ["--version"], { encoding: "utf8" });
  return stdout.match(/\d+\.\d+\.\d+/)?.[0] ?? "unknown";
}
