/**
 * Every example in a docstring, the README and the docs is run: what it logs must be what its comments say.
 *
 * An example's names are imported for it unless it imports them itself.
 */
import { spawn } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as bridge from "@anyloop/bridge";
import * as testing from "@anyloop/testing";
import * as front from "anyloop";
import * as lowlevel from "anyloop/lowlevel";
import { expect, test } from "vitest";

const here = path.dirname(fileURLToPath(import.meta.url));
const repository = path.join(here, "../../..");
const sources = [
  "README.md",
  "docs/**/*.md",
  "packages/*/README.md",
  "packages/{core,kernel,native,anyloop,testing,bridge,bridge-*}/src/**/*.ts",
];

interface Example {
  readonly file: string;
  readonly line: number;
  readonly code: string;
}

function examplesIn(file: string): Example[] {
  const text = readFileSync(path.join(repository, file), "utf8");
  const examples: Example[] = [];
  for (const match of text.matchAll(/^( \* |)```ts\n([\s\S]*?)^\1```/gm)) {
    const [, margin = "", code = ""] = match;
    const lines = code
      .split("\n")
      .map((line) => (line.startsWith(margin.trimEnd()) ? line.slice(margin.length) : line));
    examples.push({ file, line: text.slice(0, match.index).split("\n").length, code: lines.join("\n") });
  }
  return examples;
}

/** Examples that are tests are vitest's to run: see packages/testing/test/vitest/examples.node.test.ts. */
const isTest = ({ code }: Example): boolean => /from "(vitest|@anyloop\/testing\/vitest)"/.test(code);

const examples = sources
  .flatMap((pattern) => globSync(pattern, { cwd: repository }).sort().flatMap(examplesIn))
  .filter((example) => !isTest(example));

/** What the comments behind `console.log(…);` promise. */
function promised(code: string): string[] {
  return [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map((match) => match[1] ?? "");
}

const modules: readonly [string, object][] = [
  ["anyloop", front],
  ["anyloop/lowlevel", lowlevel],
  ["@anyloop/testing", testing],
  ["@anyloop/bridge", bridge],
];

function program(code: string): string {
  if (/from "@?anyloop/.test(code)) return code;
  const seen = new Set<string>();
  const imports = modules.map(([from, module]) => {
    const names = Object.keys(module).filter(
      (name) => !seen.has(name) && new RegExp(`\\b${name}\\b`).test(code),
    );
    for (const name of Object.keys(module)) seen.add(name);
    return `import { ${names.join(", ")} } from "${from}";`;
  });
  return [...imports, code].join("\n");
}

/** Where an example finds what it imports: a bridge's peer is known to the bridge alone. */
function folderOf(file: string): string {
  const [folder] = /^packages\/bridge[^/]*/.exec(file) ?? ["."];
  return path.join(repository, folder);
}

function output({ code, file }: Example): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ["--conditions=@anyloop/source", "--input-type=module-typescript", "--eval", program(code)],
      { cwd: folderOf(file), timeout: 30_000 },
    );
    let text = "";
    const gather = (chunk: Buffer): void => {
      text += chunk.toString();
    };
    child.stdout.on("data", gather);
    child.stderr.on("data", gather);
    child.on("error", reject);
    child.on("close", () => resolve(text));
  });
}

test("there are examples", () => {
  expect(examples.length).toBeGreaterThan(20);
});

for (const example of examples) {
  const { file, line, code } = example;
  test.concurrent(`${file}:${String(line)}`, async ({ expect: expectHere }) => {
    const lines = (await output(example))
      .trimEnd()
      .split("\n")
      .filter((text) => text !== "");
    expectHere(lines).toEqual(promised(code));
  });
}
