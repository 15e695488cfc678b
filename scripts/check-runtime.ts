// Runs before each test file of test:runtimes: the process that takes the tests must be the runtime that was asked for.
import process from "node:process";

const { bun, deno, node } = process.versions;
const [name, version] =
  bun !== undefined ? ["bun", bun] : deno !== undefined ? ["deno", deno] : ["node", node];
const actual = `${name}${version.split(".")[0]}`;
const wanted = process.env["ANYLOOP_RUNTIME"];
if (actual !== wanted) throw new Error(`These tests run on ${actual}, not on ${String(wanted)}.`);
