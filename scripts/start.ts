// Builds the packages that a program stands on, and is that program then: node scripts/start.ts FILTER,… PROGRAM [argument…]
// What the build says goes to standard error, so that the program's output (--json) is all there is on the other: the
// shell that pnpm brings along does not know `1>&2`.
import { spawnSync } from "node:child_process";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

const [filters = "", program = "", ...args] = process.argv.slice(2);
const { status } = spawnSync(
  "turbo",
  ["run", "build", ...filters.split(",").map((filter) => `--filter=${filter}`), "--output-logs=errors-only"],
  {
    stdio: ["inherit", process.stderr.fd, "inherit"],
    env: { ...process.env, DO_NOT_TRACK: "1" },
    shell: process.platform === "win32",
  },
);
if (status !== 0) process.exit(status ?? 1);

const file = path.resolve(program);
process.argv.splice(1, process.argv.length, file, ...args);
await import(pathToFileURL(file).href);
