// Builds the JavaScript of the package in the current folder: one file for each entry and one for what they share, since
// a program that starts pays for every file it has to find (27 ms for core's sixty, 7 for these). Types come from `tsc -b`.
import { globSync, readFileSync, rmSync } from "node:fs";
import { build } from "esbuild";

type Entry = string | { readonly "@anyloop/source"?: string };

const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as { exports: Record<string, Entry> };
const entryPoints = Object.values(exports).flatMap((entry) =>
  typeof entry === "string" || entry["@anyloop/source"] === undefined ? [] : [entry["@anyloop/source"]],
);
for (const old of globSync("dist/**/*.js{,.map}")) rmSync(old);
await build({
  entryPoints,
  bundle: true,
  splitting: true,
  packages: "external",
  format: "esm",
  platform: "neutral",
  target: "es2022",
  sourcemap: true,
  outbase: "src",
  outdir: "dist",
  chunkNames: "shared-[hash]",
});
