/**
 * The line that shows how far the work is, redrawn in place while it runs.
 *
 * Invariant: it is written to a terminal only, and gone when the work has ended, however it ended.
 */
import { now, type Operation, operation, sleep, taskGroup } from "anyloop";
import type { FetchResult } from "./fetch-all.ts";

const redrawEvery = 100;
const clearLine = "\r\u001B[K";

export class Progress {
  private done = 0;
  private failed = 0;
  private readonly expected: number;

  constructor(expected: number) {
    this.expected = expected;
  }

  readonly add = ({ error }: FetchResult): void => {
    this.done++;
    if (error !== undefined) this.failed++;
  };

  get text(): string {
    const failed = this.failed === 0 ? "" : `, ${this.failed} of them failed`;
    return `${this.done} of ${this.expected} done${failed}`;
  }
}

/** Performs the work and shows its progress meanwhile, if standard error is a terminal. */
export const showing: <T>(progress: Progress, work: Operation<T>) => Operation<T> = operation(function* <T>(
  progress: Progress,
  work: Operation<T>,
) {
  if (!process.stderr.isTTY) return yield* work;
  return yield* taskGroup(function* (group) {
    // A daemon: it does not hold the group open, and is cancelled once the work is done.
    group.startSoon(draw(progress), { daemon: true });
    return yield* work;
  });
});

const draw = operation(function* draw(progress: Progress) {
  const started = now();
  try {
    for (;;) {
      const seconds = ((now() - started) / 1000).toFixed(1);
      process.stderr.write(`${clearLine}${progress.text}, ${seconds} s`);
      yield* sleep(redrawEvery);
    }
  } finally {
    process.stderr.write(clearLine);
  }
});
