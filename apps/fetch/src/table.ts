/** Columns of text: as wide as their widest cell, coloured only where standard output shows colours. */
import { styleText } from "node:util";

export type Style = Parameters<typeof styleText>[0];

export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string {
  const titles = columns.map(({ title }): Cell => ({ text: title, style: "dim" }));
  const lines = [titles, ...rows];
  const widths = columns.map((_, index) => Math.max(...lines.map((cells) => cells[index]?.text.length ?? 0)));
  return lines
    .map((cells) => columns.map((column, index) => fit(cells[index], column, widths[index] ?? 0)).join("  "))
    .map((line) => line.trimEnd())
    .join("\n");
}

/** The padding stays outside the colour, so that a line can be trimmed. */
function fit(cell: Cell | undefined, { align }: Column, width: number): string {
  const { text = "", style } = cell ?? {};
  const padding = " ".repeat(width - text.length);
  const shown = style === undefined || text === "" ? text : paint(style, text);
  return align === "left" ? shown + padding : padding + shown;
}

/** Honours NO_COLOR, and leaves out colours where standard output is no terminal. */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}
