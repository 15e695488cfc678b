/** What a run of the bench found out, as `--json` prints it and the reports read it. */
import type { Figures } from "./measure.ts";

type Unit = "ns" | "B" | "ms";

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly unit: Unit;
  /** Items in a performance. */
  readonly size: number;
  readonly figures: Figures;
  /** Who was so slow that it was measured with fewer items, and with how many. */
  readonly fewer: Figures;
}

/** How a figure grows with the size. */
export interface Growth {
  readonly id: string;
  readonly title: string;
  readonly sizes: readonly number[];
  /** One for each size; null where a contestant took too long at the size before. */
  readonly figures: Readonly<Record<string, readonly (number | null)[]>>;
}

export interface Results {
  readonly runtime: string;
  /** "4 × AMD EPYC 7763" */
  readonly machine: string;
  readonly date: string;
  readonly rounds: number;
  readonly rows: readonly Row[];
  readonly growth: readonly Growth[];
}
