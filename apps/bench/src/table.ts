/** The tables on a terminal, and the one in the README. */
import { styleText } from "node:util";
import { contestants, floor, us } from "./contestants.ts";
import type { Verdict } from "./goals.ts";
import type { Results, Row } from "./results.ts";

/** A figure with as many digits as it deserves: three. */
function figure(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en").replaceAll(",", " ");
  return value.toPrecision(value >= 10 ? 3 : 2);
}

function times(value: number): string {
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(2)}×`;
}

/** The rows of one scenario: who, the figure, and what it is of us and of the floor. */
function lines(row: Row): string[][] {
  const order = contestants.map(({ name }) => name).filter((name) => row.figures[name] !== undefined);
  return order.map((name) => {
    const value = row.figures[name] ?? Number.NaN;
    const ratio = (base: string): string => {
      const against = row.figures[base];
      return against === undefined || against === 0 ? "" : times(value / against);
    };
    const fewer = row.fewer[name];
    const note = fewer === undefined ? "" : `  with ${figure(fewer)} items`;
    return [name, `${figure(value)} ${row.unit}`, ratio(us), `${ratio(floor)}${note}`];
  });
}

export function printTable({ rows, runtime, machine }: Results): void {
  console.log(styleText("bold", `\n${runtime} on ${machine}; medians`));
  for (const row of rows) {
    console.log(
      `\n${styleText("bold", row.title)}${" ".repeat(Math.max(1, 52 - row.title.length))}÷ us  ÷ floor`,
    );
    for (const [name = "", value = "", ours = "", floors = ""] of lines(row)) {
      const text = `  ${name.padEnd(22)}${value.padStart(18)}${ours.padStart(14)}  ${floors}`;
      console.log(name === us ? styleText("green", text) : text);
    }
  }
}

export function printVerdicts(verdicts: readonly Verdict[]): void {
  if (verdicts.length === 0) return;
  console.log(styleText("bold", "\nGoals"));
  for (const { text, figure, met } of verdicts) {
    const mark =
      met === undefined
        ? "not judged"
        : met
          ? styleText("green", "met       ")
          : styleText("red", "missed    ");
    console.log(`  ${mark} ${text}: ${figure}`);
  }
}

/** One row a scenario, one column a contestant of the README, in Markdown. */
export function markdownTable({ rows, runtime, machine, date }: Results): string {
  const columns = [floor, us, "native", "kernel async", "effect", "effection", "rxjs"];
  const others = contestants.map(({ name }) => name).filter((name) => !columns.includes(name));
  const cells = rows.map((row) => {
    const best = others
      .filter((name) => row.figures[name] !== undefined)
      .map((name) => `${name} ${figure(row.figures[name] ?? Number.NaN)}`);
    const shown = columns.map((name) => {
      const value = row.figures[name];
      return value === undefined ? "" : figure(value);
    });
    return `| ${[`${row.title} (${row.unit})`, ...shown, best.join(", ")].join(" | ")} |`;
  });
  return [
    `Measured on ${machine} with ${runtime} on ${date}: \`npx -y pnpm@12 bench --readme\`. Nanoseconds an item unless said`,
    "otherwise, medians, less is better; what an item is, and that all do the same work, is in",
    "[`apps/bench/src/scenarios.ts`](apps/bench/src/scenarios.ts).",
    "",
    `| | ${columns.join(" | ")} | others |`,
    `| --- |${" ---: |".repeat(columns.length)} --- |`,
    ...cells,
  ].join("\n");
}
