/**
 * How far the stages are, redrawn in place on a terminal.
 *
 * Invariant: it is written to a terminal only, and gone when the work has ended, however it ended.
 */
import { styleText } from "node:util";
import { type Coroutine, type Operation, operation, sleep, taskGroup } from "anyloop";
import type { StageProgress, Tally } from "./tally.ts";

const redrawEvery = 100;

/** The stages as a table. */
export function tableOf(stages: readonly StageProgress[]): string[] {
  const rows = stages.map(({ stage, done, perSecond, lag, peakLag, again }) =>
    [stage, done, perSecond.toFixed(0), lag, peakLag, again].map(String),
  );
  return [["stage", "done", "per s", "lag", "peak lag", "again"], ...rows].map(([name = "", ...cells]) =>
    [name.padEnd(8), ...cells.map((cell) => cell.padStart(9))].join(""),
  );
}

export class Progress {
  private readonly tally: Tally;
  private readonly terminal = process.stderr;
  /** Lines that are drawn now. */
  private drawn = 0;

  constructor(tally: Tally) {
    this.tally = tally;
  }

  /** Writes a line that stays. */
  readonly say = (line: string): void => {
    this.erase();
    this.terminal.write(`${line}\n`);
  };

  /** Performs the work, and shows how far it is if standard error is a terminal. */
  during<T>(work: Operation<T>): Operation<T> {
    return showing(this, work) as Operation<T>;
  }

  get isShown(): boolean {
    return this.terminal.isTTY;
  }

  draw(): void {
    this.erase();
    const [head = "", ...rows] = tableOf(this.tally.progress());
    const lines = [styleText("bold", head, { stream: this.terminal }), ...rows];
    this.terminal.write(`${lines.join("\n")}\n`);
    this.drawn = lines.length;
  }

  erase(): void {
    if (this.drawn > 0) this.terminal.write(`\u001B[${String(this.drawn)}A\u001B[0J`);
    this.drawn = 0;
  }
}

const draw = operation(function* draw(progress: Progress): Coroutine<never> {
  try {
    for (;;) {
      progress.draw();
      yield* sleep(redrawEvery);
    }
  } finally {
    progress.erase();
  }
});

const showing = operation(function* showing(
  progress: Progress,
  work: Operation<unknown>,
): Coroutine<unknown> {
  if (!progress.isShown) return yield* work;
  return yield* taskGroup(function* (group) {
    group.startSoon(draw(progress), { daemon: true });
    return yield* work;
  });
});
