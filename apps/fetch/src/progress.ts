/**
 * How far the work is, redrawn in place while it runs: a bar for each body that is coming, and one line for all.
 *
 * Invariant: it is written to a terminal only, and gone when the work has ended, however it ended.
 */
import { MultiBar, type SingleBar } from "cli-progress";
import { type Operation, operation, use } from "anyloop";
import type { Transfer } from "./download.ts";
import type { FetchResult } from "./fetch-all.ts";
import { size } from "./size.ts";

const barWidth = 24;
const nameWidth = 32;

interface Payload {
  readonly name: string;
}

function bar(share: number): string {
  const full = Math.round(barWidth * Math.min(1, share));
  return "█".repeat(full) + "░".repeat(barWidth - full);
}

/** The end of a URL says more than its beginning. */
function shortened(text: string): string {
  return text.length <= nameWidth ? text.padEnd(nameWidth) : `…${text.slice(1 - nameWidth)}`;
}

function formatTransfer(total: number, value: number, { name }: Payload): string {
  const known = total > 0 ? `${bar(value / total)} ${size(value)} of ${size(total)}` : size(value);
  return `  ${shortened(name)} ${known}`;
}

export class Progress {
  private done = 0;
  private failed = 0;
  private readonly expected: number;
  private readonly bars: MultiBar;
  private readonly summary: SingleBar;

  constructor(expected: number) {
    this.expected = expected;
    this.bars = new MultiBar({
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
      // Ours: the first Ctrl+C cancels the run, which closes the bars.
      gracefulExit: false,
      emptyOnZero: true,
      format: (_options, { total, value }, payload: Payload) =>
        payload.name === "" ? this.text : formatTransfer(total, value, payload),
    });
    this.summary = this.bars.create(expected, 0, { name: "" } satisfies Payload);
  }

  readonly begin = (url: string): Transfer => {
    const shown = this.bars.create(0, 0, { name: url } satisfies Payload);
    return {
      received: (bytes, total) => {
        if (total !== undefined) shown.setTotal(total);
        shown.update(bytes);
      },
      ended: () => this.bars.remove(shown),
    };
  };

  readonly add = ({ error }: FetchResult): void => {
    this.done++;
    if (error !== undefined) this.failed++;
    this.summary.update(this.done);
  };

  close(): void {
    this.bars.stop();
  }

  private get text(): string {
    const failed = this.failed === 0 ? "" : `, ${this.failed} of them failed`;
    return `${this.done} of ${this.expected} done${failed}`;
  }
}

/** What is shown of the work, if standard error is a terminal. */
export const showing: <T>(expected: number, work: (progress?: Progress) => Operation<T>) => Operation<T> =
  operation(function* <T>(expected: number, work: (progress?: Progress) => Operation<T>) {
    if (!process.stderr.isTTY) return yield* work();
    return yield* use(new Progress(expected), work);
  });
