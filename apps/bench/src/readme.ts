/** Puts the table of a run between the two marks in the README. */
import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Results } from "./results.ts";
import { markdownTable } from "./table.ts";

const readme = new URL("../../../README.md", import.meta.url);
const begin = "<!-- bench: begin -->";
const end = "<!-- bench: end -->";

export async function updateReadme(results: Results): Promise<void> {
  const text = await readFile(readme, "utf8");
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`README.md needs the marks ${begin} and ${end}.`);
  const table = markdownTable(results);
  await writeFile(readme, `${text.slice(0, from + begin.length)}\n\n${table}\n\n${text.slice(to)}`);
  // The formatter aligns the columns, and is found because a script of the repository runs this.
  execFileSync("oxfmt", [fileURLToPath(readme)]);
}
