// Runs the whole test suite once under each runtime of tools/runtimes (or those named as arguments).
import { spawnSync } from "node:child_process";
import path from "node:path";

const base = path.resolve("tools/runtimes/node_modules");
const runtimes: readonly { name: string; command: string; args: readonly string[] }[] = [
  { name: "node 20", command: `${base}/node20/bin/node`, args: [] },
  { name: "node 22", command: `${base}/node22/bin/node`, args: [] },
  { name: "node 24", command: `${base}/node24/bin/node`, args: [] },
  { name: "bun 1", command: `${base}/@oven/bun-linux-x64/bin/bun`, args: ["--bun"] },
  { name: "deno 2", command: `${base}/@deno/linux-x64-glibc/deno`, args: ["run", "-A", "--cached-only"] },
];
const wanted = process.argv.slice(2);
const results: string[] = [];
for (const { name, command, args } of runtimes) {
  if (wanted.length > 0 && !wanted.includes(name.replace(" ", ""))) continue;
  console.log(`\n--- ${name}`);
  const { status } = spawnSync(command, [...args, "node_modules/vitest/vitest.mjs", "run", "--pool=forks"], {
    stdio: "inherit",
    env: { ...process.env, WANT_RUNTIME: name, DENO_NO_UPDATE_CHECK: "1", DO_NOT_TRACK: "1" },
  });
  if (status !== 0) process.exitCode = 1;
  results.push(`${name}: ${status === 0 ? "passed" : "FAILED"}`);
}
console.log(`\n${results.join("\n")}`);
