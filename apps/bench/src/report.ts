/** The report: one HTML file with charts drawn as SVG by echarts, so that it needs no script and no network to be read. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import * as echarts from "echarts";
import { contestants, floor, us } from "./contestants.ts";
import { judge } from "./goals.ts";
import type { Growth, Results, Row } from "./results.ts";

const colours: Readonly<Record<string, string>> = { [us]: "#2da44e", [floor]: "#8c959f" };

function draw(option: echarts.EChartsOption, height: number): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: 720, height });
  chart.setOption({ animation: false, ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

/** Bars on a logarithmic axis, the fastest on top: peers lie orders of magnitude apart. */
function bars(row: Row): string {
  const entries = Object.entries(row.figures)
    .filter(([, value]) => value > 0)
    .toSorted(([, a], [, b]) => b - a);
  return draw(
    {
      title: { text: row.title, left: "center" },
      grid: { left: 150, right: 90, top: 36, bottom: 40 },
      xAxis: { type: "log", name: row.unit, min: "dataMin" },
      yAxis: { type: "category", data: entries.map(([name]) => name) },
      series: [
        {
          type: "bar",
          data: entries.map(([name, value]) => ({
            value: Number(value.toPrecision(3)),
            itemStyle: { color: colours[name] ?? "#0969da" },
          })),
          label: { show: true, position: "right" },
        },
      ],
    },
    90 + entries.length * 24,
  );
}

function lines(growth: Growth): string {
  const names = contestants.map(({ name }) => name).filter((name) => growth.figures[name] !== undefined);
  return draw(
    {
      title: { text: `${growth.title}: growth`, left: "center" },
      legend: { bottom: 0 },
      grid: { left: 80, right: 30, top: 40, bottom: 90 },
      xAxis: { type: "log", name: "items", nameLocation: "middle", nameGap: 26 },
      yAxis: { type: "log", name: "ns an item" },
      series: names.map((name) => ({
        type: "line",
        name,
        data: growth.sizes.flatMap((size, index) => {
          const value = growth.figures[name]?.[index];
          return value === null || value === undefined ? [] : [[size, Number(value.toPrecision(3))]];
        }),
        ...(colours[name] === undefined ? {} : { color: colours[name], lineStyle: { width: 3 } }),
      })),
    },
    420,
  );
}

function section(results: Results): string {
  const verdicts = judge(results).map(({ text, figure, met }) => {
    const mark = met === undefined ? "not judged" : met ? "met" : "missed";
    return `<tr class="${mark}"><td>${mark}</td><td>${text}</td><td>${figure}</td></tr>`;
  });
  return [
    `<h2>${results.runtime}</h2>`,
    `<p>${results.machine}, ${results.date}, medians of ${String(results.rounds)} rounds. Less is better.</p>`,
    ...results.rows.map(bars),
    ...results.growth.map(lines),
    `<h3>Goals</h3><table>${verdicts.join("")}</table>`,
  ].join("\n");
}

/** The same scenario in each runtime, for us and the floor. */
function comparison(all: readonly Results[]): string {
  if (all.length < 2) return "";
  const names = [us, "native", floor];
  const charts = (all[0]?.rows ?? []).map(({ id, title, unit }) =>
    draw(
      {
        title: { text: title, left: "center" },
        legend: { bottom: 0 },
        grid: { left: 80, right: 30, top: 40, bottom: 60 },
        xAxis: { type: "category", data: all.map(({ runtime }) => runtime) },
        yAxis: { type: "value", name: unit },
        series: names.map((name) => ({
          type: "bar",
          name,
          data: all.map(({ rows }) => rows.find((row) => row.id === id)?.figures[name] ?? 0),
          ...(colours[name] === undefined ? {} : { color: colours[name] }),
        })),
      },
      320,
    ),
  );
  return `<h2>Runtimes compared</h2>${charts.join("\n")}`;
}

const style = `body { font: 16px/1.5 system-ui, sans-serif; max-width: 760px; margin: 2em auto; }
svg { display: block; margin: 1.5em 0; max-width: 100%; height: auto; }
td { padding: 0 1em 0 0; } .met td:first-child { color: #2da44e; } .missed td:first-child { color: #cf222e; }`;

/** Writes `index.html` into the folder; gives its path. */
export async function writeReport(folder: string, all: readonly Results[]): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, "index.html");
  const body = `<h1>anyloop: the bench</h1>\n${comparison(all)}\n${all.map(section).join("\n")}`;
  const head = `<meta charset="utf-8"><title>anyloop: the bench</title><style>${style}</style>`;
  await writeFile(
    file,
    `<!doctype html>\n<html lang="en"><head>${head}</head><body>\n${body}\n</body></html>\n`,
  );
  return file;
}
