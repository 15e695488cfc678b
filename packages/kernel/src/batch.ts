/**
 * A seeded order of the ready: the tasks that are ready at one moment take their steps in an order drawn from the seed.
 *
 * Invariant: only task steps change places with each other; what does not belong to a task keeps its position, and
 * nothing that became ready later overtakes.
 */
import type { Runnable } from "@anyloop/core/lowlevel";
import { Deque } from "@anyloop/core/lowlevel";

export class SeededRing {
  private readonly arriving = new Deque<Runnable>();
  private batch: Runnable[] = [];
  private at = 0;
  private readonly draw: (below: number) => number;

  constructor(draw: (below: number) => number) {
    this.draw = draw;
  }

  get size(): number {
    return this.arriving.size + this.batch.length - this.at;
  }

  push(runnable: Runnable): void {
    this.arriving.push(runnable);
  }

  shift(): Runnable | undefined {
    if (this.at === this.batch.length) this.shuffle();
    return this.at < this.batch.length ? this.batch[this.at++] : undefined;
  }

  private shuffle(): void {
    const batch: Runnable[] = [];
    for (let next = this.arriving.shift(); next !== undefined; next = this.arriving.shift()) batch.push(next);
    const places = [...batch.keys()].filter((index) => batch[index]?.task !== undefined);
    for (let last = places.length - 1; last > 0; last--) {
      const a = places[last] as number;
      const b = places[this.draw(last + 1)] as number;
      [batch[a], batch[b]] = [batch[b] as Runnable, batch[a] as Runnable];
    }
    this.batch = batch;
    this.at = 0;
  }
}
