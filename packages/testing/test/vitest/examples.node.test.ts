/** The examples of the docs that are tests themselves: vitest runs them, and they pass and log what they say. */
import { copyFileSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runVitest } from "./vitest-run.ts";

const here = import.meta.dirname;
const repository = path.join(here, "../../../..");
/** Beside the package, so that the examples find it. */
const folder = mkdtempSync(path.join(here, "../../.examples-"));

const examples = ["docs/**/*.md", "packages/testing/src/**/*.ts"]
  .flatMap((pattern) => globSync(pattern, { cwd: repository }))
  .sort()
  .flatMap((file) => {
    const text = readFileSync(path.join(repository, file), "utf8");
    return [...text.matchAll(/^( \* |)```ts\n([\s\S]*?)^\1```/gm)].map((match) => ({
      name: `${file}:${String(text.slice(0, match.index).split("\n").length)}`,
      code: (match[2] ?? "").replaceAll(/^ \* ?/gm, ""),
    }));
  })
  .filter(({ code }) => /from "(vitest|@anyloop\/testing\/vitest)"/.test(code));

const fileOf = (index: number): string => `example-${String(index)}.cases.ts`;
let report: Awaited<ReturnType<typeof runVitest>> | undefined;

beforeAll(async () => {
  copyFileSync(path.join(here, "failing/vitest.config.ts"), path.join(folder, "vitest.config.ts"));
  for (const [index, { code }] of examples.entries()) writeFileSync(path.join(folder, fileOf(index)), code);
  report = await runVitest(folder);
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true }));

test("there are examples of vitest", () => {
  expect(examples.length).toBeGreaterThan(3);
});

for (const [index, { name, code }] of examples.entries()) {
  test(name, () => {
    const result = report?.testResults.find((each) => each.name.endsWith(fileOf(index)));
    const failed = result?.assertionResults.filter(({ status }) => status !== "passed");
    expect(failed, report?.output).toEqual([]);
    expect(result?.assertionResults.length, result?.message).toBeGreaterThan(0);
    for (const [, line = ""] of code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)) {
      expect(report?.output.split("\n")).toContain(line);
    }
  });
}
