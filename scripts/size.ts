// Prints what the first program weighs, bundled from the sources, against the goal, and fails when it grows.
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** What the smallest program is to weigh; see docs/decisions/0004-size.md. */
const goal = 5000;
/** What it may weigh until the goal is met: a little more than it does. */
const ceiling = 14_750;
const { outputFiles } = await build({
  entryPoints: ["scripts/first-program.ts"],
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  target: "es2022",
  platform: "neutral",
  conditions: ["@anyloop/source"],
});
const code = outputFiles[0]?.contents ?? new Uint8Array();
const gzipped = gzipSync(code, { level: 9 }).length;
if (process.argv.includes("--json")) {
  console.log(JSON.stringify({ minified: code.length, gzipped, goal, ceiling }));
} else {
  console.log(
    `run + taskGroup + sleep + kernel: ${code.length} bytes minified, ${gzipped} gzipped ` +
      `(goal ${goal}: ${gzipped <= goal ? "met" : `missed by ${gzipped - goal}`}; ceiling ${ceiling})`,
  );
}
if (gzipped > ceiling) {
  console.error(
    `The first program has grown ${gzipped - ceiling} bytes past its ceiling. Find out what it pulls in.`,
  );
  process.exitCode = 1;
}
