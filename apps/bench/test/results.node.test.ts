/** What the bench says of its figures: verdicts, tables, the README, and a report that opens without a network. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { judge } from "../src/goals.ts";
import { median } from "../src/measure.ts";
import { writeReport } from "../src/report.ts";
import type { Results } from "../src/results.ts";
import { runtimeAt } from "../src/runtime.ts";
import { markdownTable } from "../src/table.ts";

const results: Results = {
  runtime: "Node 26.0.0",
  machine: "2 × Example",
  date: "2026-01-01",
  rounds: 3,
  rows: [
    {
      id: "spawn-once",
      title: "spawn + join, body defined once",
      unit: "ns",
      size: 1000,
      figures: { promises: 100, kernel: 300.4, effect: 1000 },
      fewer: {},
    },
    {
      id: "lock-free",
      title: "lock, uncontended",
      unit: "ns",
      size: 1000,
      figures: { kernel: 120 },
      fewer: {},
    },
  ],
  growth: [
    {
      id: "spawn-once",
      title: "spawn",
      sizes: [1000, 10_000],
      figures: { kernel: [1, 2], effect: [3, null] },
    },
  ],
};

test("a goal is met, missed, or not judged where a figure is missing", () => {
  const verdicts = judge(results).map(({ text, met }) => [text, met]);
  expect(verdicts).toContainEqual(["spawn + join, body defined once: kernel at most 3.00× promises", false]);
  expect(verdicts).toContainEqual([
    "spawn + join, body defined once: kernel at most 0.01× effection",
    undefined,
  ]);
  expect(verdicts).toContainEqual(["lock, uncontended: kernel at most 100 ns", false]);
  const better = {
    ...results,
    rows: results.rows.map((row) => ({ ...row, figures: { ...row.figures, kernel: 99 } })),
  };
  expect(judge(better).filter(({ met }) => met === false)).toEqual([]);
});

test("the README's table has a row for each scenario and says on what it was measured", () => {
  const table = markdownTable(results);
  expect(table).toContain("2 × Example");
  expect(table).toContain("Node 26.0.0");
  expect(table).toMatch(/\| spawn \+ join, body defined once \(ns\) \| 100 \| 300 \|/);
});

test("the report is one file with the charts in it", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "anyloop-bench-"));
  try {
    const html = await readFile(
      await writeReport(path.join(folder, "deep"), [results, { ...results, runtime: "Bun 1" }]),
      "utf8",
    );
    expect(html.match(/<svg/g)?.length).toBeGreaterThanOrEqual(8);
    expect(html).not.toMatch(/<script|src="http|NaN/);
    expect(html).toContain("missed");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a runtime that does not run is refused with what to give", () => {
  expect(() => runtimeAt("/nowhere/node")).toThrow("give the path of a Node, Bun or Deno");
  expect(runtimeAt(process.execPath).name).toMatch(/\d+\.\d+/);
});

test("the median is the middle one, whatever the order", () => {
  expect(median([30, 1, 2])).toBe(2);
});
