// Builds the JavaScript of the package in the current folder: one file for each entry and one for what they share, since
// a program that starts pays for every file it has to find (27 ms for core's sixty, 7 for these). Types come from `tsc -b`.
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { build } from "esbuild";

type Entry = string | { readonly "@anyloop/source"?: string };

const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as { exports: Record<string, Entry> };
const entryPoints = Object.values(exports).flatMap((entry) =>
  typeof entry === "string" || entry["@anyloop/source"] === undefined ? [] : [entry["@anyloop/source"]],
);

/**
 * Names of operations show in traces. esbuild puts a number behind that of `const settle = operation(function* settle() {…})`,
 * since it is a name outside as well; where nothing refers to the inner one, it gets its own back. The map holds the sources.
 */
function withOwnNames(code: string, map: string): string {
  return code.replaceAll(/\bfunction\* (\w*[a-zA-Z])\d+\(/g, (declaration: string, name: string) => {
    const isRenamed = !map.includes(declaration) && isUsedOnce(code, declaration);
    return isRenamed ? `function* ${name}(` : declaration;
  });
}

function isUsedOnce(code: string, declaration: string): boolean {
  const numbered = declaration.slice("function* ".length, -1);
  return code.match(new RegExp(`\\b${numbered}\\b`, "g"))?.length === 1;
}

for (const old of globSync("dist/**/*.js{,.map}")) rmSync(old);
const { outputFiles } = await build({
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
  write: false,
});
const texts = new Map(outputFiles.map(({ path, text }) => [path, text]));
for (const [file, text] of texts) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, file.endsWith(".js") ? withOwnNames(text, texts.get(`${file}.map`) ?? "") : text);
}
