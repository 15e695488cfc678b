// Prints what the first program weighs, bundled from the sources, and fails past the limit.
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const limit = 5000;
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
  console.log(JSON.stringify({ minified: code.length, gzipped, limit }));
} else {
  console.log(
    `run + taskGroup + sleep + kernel: ${String(code.length)} bytes minified, ${String(gzipped)} gzipped (limit ${String(limit)})`,
  );
}
if (gzipped > limit) {
  console.error(`The first program is ${String(gzipped - limit)} bytes over its limit.`);
  process.exitCode = 1;
}
