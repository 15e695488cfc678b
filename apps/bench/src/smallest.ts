/**
 * The smallest program of each (two sleeps, waited for together): what it weighs in a bundle, and how long its process
 * takes to start. The programs are in `smallest/`.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { type Figures, median } from "./measure.ts";
import type { Runtime } from "./runtime.ts";

/** The name in the table, and the program. */
const programs: readonly (readonly [name: string, file: string])[] = [
  ["promises", "nothing"],
  ["kernel", "anyloop"],
  ["effect", "effect"],
  ["effection", "effection"],
  ["rxjs", "rxjs"],
  ["p-limit", "p-limit"],
];

function pathOf(file: string): string {
  return fileURLToPath(new URL(`smallest/${file}.js`, import.meta.url));
}

/** Bytes of each program bundled with what it imports, minified and gzipped. */
export async function bundleBytes(): Promise<Figures> {
  const figures: Record<string, number> = {};
  for (const [name, file] of programs) {
    const { outputFiles } = await build({
      entryPoints: [pathOf(file)],
      bundle: true,
      minify: true,
      write: false,
      format: "esm",
      target: "es2022",
      platform: "neutral",
      mainFields: ["module", "main"],
      external: ["node:*"],
    });
    figures[name] = gzipSync(outputFiles[0]?.contents ?? new Uint8Array(), { level: 9 }).length;
  }
  return figures;
}

async function milliseconds(runtime: Runtime, file: string): Promise<number> {
  const started = performance.now();
  await promisify(execFile)(runtime.command, [...runtime.args, pathOf(file)]);
  return performance.now() - started;
}

/** Milliseconds from the start of the process to its end, less those of the program that imports nothing. */
export async function startUp(runtime: Runtime, rounds: number): Promise<Figures> {
  const times = new Map(programs.map(([name]) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, file] of programs) times.get(name)?.push(await milliseconds(runtime, file));
  }
  const nothing = median(times.get("promises") ?? []);
  return Object.fromEntries(
    [...times]
      .filter(([name]) => name !== "promises")
      .map(([name, all]) => [name, Math.max(0, median(all) - nothing)]),
  );
}
