/**
 * How far each stage is.
 *
 * Invariant: pages are counted by name, so what is done twice counts once, and as one done again.
 */
import { type Report, type StageName, stageNames } from "./stages.ts";

export interface StageProgress {
  readonly stage: StageName;
  /** Pages that it has done. */
  readonly done: number;
  /** Pages that wait for it, or are in its hands. */
  readonly lag: number;
  /** Most there have been. */
  readonly peakLag: number;
  /** How often it did a page again. */
  readonly again: number;
  /** Pages it did in a second, from its first to its last. */
  readonly perSecond: number;
}

class StageTally {
  readonly done = new Set<string>();
  peakLag = 0;
  again = 0;
  first = 0;
  last = 0;
}

export class Tally {
  /** Pages that were found. */
  private readonly found = new Set<string>();
  private readonly stages = new Map<StageName, StageTally>();

  constructor() {
    for (const stage of stageNames) this.stages.set(stage, new StageTally());
  }

  readonly find = (url: string): void => {
    this.found.add(url);
  };

  readonly add = ({ stage, url }: Report): void => {
    const tally = this.stages.get(stage);
    if (tally === undefined) return;
    if (tally.done.has(url)) tally.again++;
    tally.done.add(url);
    tally.last = performance.now();
    if (tally.first === 0) tally.first = tally.last;
    this.progress();
  };

  progress(): StageProgress[] {
    let before: ReadonlySet<string> = this.found;
    return [...this.stages].map(([stage, tally]) => {
      const { done, again, first, last } = tally;
      const lag = Math.max(0, before.size - done.size);
      tally.peakLag = Math.max(tally.peakLag, lag);
      before = done;
      const seconds = (last - first) / 1_000;
      const perSecond = seconds === 0 ? 0 : (done.size - 1) / seconds;
      return { stage, done: done.size, lag, peakLag: tally.peakLag, again, perSecond };
    });
  }
}
