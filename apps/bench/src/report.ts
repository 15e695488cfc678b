/** The table: figures, and how many times the floor (bare promises) and our kernel each of them is. */
import type { Figures } from "./measure.ts";

export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly figures: Figures;
}

const columns = ["promises", "kernel", "native", "effect"] as const;

function cell(row: Row, column: string): string {
  const value = row.figures[column];
  if (value === undefined) return "–";
  const ratio = value / (row.figures["kernel"] ?? Number.NaN);
  return `${value.toFixed(value < 100 ? 1 : 0)} ${row.unit} (${ratio.toFixed(2)}×)`;
}

export function printTable(rows: readonly Row[]): void {
  const table = [
    ["", ...columns, "kernel ÷ promises"],
    ...rows.map((row) => {
      const floor = row.figures["promises"];
      const ratio =
        floor === undefined ? "–" : `${((row.figures["kernel"] ?? Number.NaN) / floor).toFixed(2)}×`;
      return [row.name, ...columns.map((column) => cell(row, column)), ratio];
    }),
  ];
  const widths =
    table[0]?.map((_, index) => Math.max(...table.map((line) => (line[index] ?? "").length))) ?? [];
  for (const line of table) {
    console.log(
      line
        .map((text, index) => (index === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[index] ?? 0)))
        .join("  "),
    );
  }
  console.log(`\nIn brackets: times the kernel's figure. Node ${process.versions.node}.`);
}
