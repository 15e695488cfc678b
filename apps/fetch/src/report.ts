/** What the user sees in the end: the runs side by side, as tables or as JSON. */
import type { FetchResult } from "./fetch-all.ts";
import { type BackendRun, doAgree } from "./fetch-on.ts";
import { size } from "./size.ts";
import { type Cell, type Column, paint, table } from "./table.ts";

type Runs = readonly BackendRun[];

/** The same shape for one backend and for several. What is undefined is null, so that every key is always there. */
export function asJson(runs: Runs): string {
  const report = { runs, agree: doAgree(runs) };
  return JSON.stringify(
    report,
    (_, value: unknown) => (typeof value === "number" ? tenths(value) : (value ?? null)),
    2,
  );
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

export function asText(runs: Runs): string {
  const parts = [resultTable(runs), summaryTable(runs)];
  if (runs.length > 1) parts.push(verdict(runs));
  return parts.join("\n\n");
}

/** One line for each URL; a time for each backend, and what they agree about once. */
function resultTable(runs: Runs): string {
  const urls = runs[0]?.results.map(({ url }) => url) ?? [];
  const columns: readonly Column[] = [
    { title: "status", align: "left" },
    { title: "size", align: "right" },
    { title: "tries", align: "right" },
    ...runs.map(({ backend }): Column => ({ title: backend, align: "right" })),
    { title: "url", align: "left" },
    { title: "", align: "left" },
  ];
  return table(
    columns,
    urls.map((url, index) =>
      resultRow(
        url,
        runs.flatMap(({ results }) => results[index] ?? []),
      ),
    ),
  );
}

function resultRow(url: string, results: readonly FetchResult[]): readonly Cell[] {
  const isFetched = results.every(({ error }) => error === undefined);
  return [
    { text: merged(results.map(({ status }) => String(status ?? "–"))), style: isFetched ? "green" : "red" },
    { text: merged(results.map(({ bytes }) => (bytes === undefined ? "–" : size(bytes)))) },
    { text: merged(results.map(({ tries }) => String(tries))) },
    ...results.map(({ ms }): Cell => ({ text: duration(ms) })),
    { text: url },
    { text: merged(results.map(({ error }) => error ?? "")), style: "red" },
  ];
}

/** Once if all are the same. */
function merged(values: readonly string[]): string {
  return new Set(values).size === 1
    ? (values[0] ?? "")
    : values.map((value) => value || "fetched").join(" / ");
}

function summaryTable(runs: Runs): string {
  const columns: readonly Column[] = [
    { title: "", align: "left" },
    ...runs.map(({ backend }): Column => ({ title: backend, align: "right" })),
  ];
  const row = (title: string, of: (run: BackendRun) => string): readonly Cell[] => [
    { text: title },
    ...runs.map((run): Cell => ({ text: of(run) })),
  ];
  const rows = [
    row(
      "fetched",
      ({ results }) => `${results.filter(({ error }) => error === undefined).length} of ${results.length}`,
    ),
    row("time taken", ({ ms }) => duration(ms)),
    row("one after the other it would have been", ({ sequentialMs }) => duration(sequentialMs)),
  ];
  if (runs.every(({ peakInFlight }) => peakInFlight !== undefined)) {
    rows.push(
      row("requests in flight at most, seen by the server", ({ peakInFlight }) => String(peakInFlight)),
    );
  }
  return table(columns, rows);
}

function verdict(runs: Runs): string {
  const names = runs.map(({ backend }) => backend).join(" and ");
  return doAgree(runs)
    ? paint("green", `${names} agree: every URL ended the same way.`)
    : paint("red", `${names} do not agree: see the lines with a slash.`);
}

function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
