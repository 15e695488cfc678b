/**
 * Timers, nearest first: a heap of four children a node, which is flatter and kinder to the cache than a binary one. The
 * deadlines lie in an array of their own beside the entries, so that a comparison reads no object.
 *
 * Invariant: every entry knows its index, so cancelling costs O(log n) and leaves nothing behind; equal deadlines keep
 * the order in which they were added.
 */
export abstract class HeapEntry {
  /** Counts those added before, so that equals keep their order. */
  readonly sequence: number;
  /** Where it is in the heap; -1 outside. */
  index = -1;

  constructor(sequence: number) {
    this.sequence = sequence;
  }
}

export class TimerHeap<E extends HeapEntry> {
  private readonly entries: E[] = [];
  private readonly deadlines: number[] = [];

  /** The nearest entry. */
  get top(): E | undefined {
    return this.entries[0];
  }

  /** When the nearest entry is due; `Infinity` if there is none. */
  get deadline(): number {
    return this.deadlines[0] ?? Infinity;
  }

  add(entry: E, deadline: number): void {
    this.entries.push(entry);
    this.deadlines.push(deadline);
    this.rise(entry, deadline, this.entries.length - 1);
  }

  [Symbol.iterator](): Iterator<E> {
    return this.entries[Symbol.iterator]();
  }

  /** Takes an entry out; false if it was not in the heap. */
  remove(entry: E): boolean {
    const { index } = entry;
    if (index < 0) return false;
    entry.index = -1;
    const last = this.entries.pop() as E;
    const deadline = this.deadlines.pop() as number;
    if (last === entry) return true;
    if (index > 0 && this.isBefore(last, deadline, (index - 1) >> 2)) this.rise(last, deadline, index);
    else this.sink(last, deadline, index);
    return true;
  }

  private isBefore(entry: E, deadline: number, index: number): boolean {
    const other = this.deadlines[index] as number;
    return deadline < other || (deadline === other && entry.sequence < (this.entries[index] as E).sequence);
  }

  private place(entry: E, deadline: number, index: number): void {
    this.entries[index] = entry;
    this.deadlines[index] = deadline;
    entry.index = index;
  }

  private rise(entry: E, deadline: number, start: number): void {
    let index = start;
    while (index > 0) {
      const above = (index - 1) >> 2;
      if (!this.isBefore(entry, deadline, above)) break;
      this.place(this.entries[above] as E, this.deadlines[above] as number, index);
      index = above;
    }
    this.place(entry, deadline, index);
  }

  private sink(entry: E, deadline: number, start: number): void {
    const { entries, deadlines } = this;
    const size = entries.length;
    let index = start;
    for (;;) {
      const first = index * 4 + 1;
      if (first >= size) break;
      const end = Math.min(first + 4, size);
      let nearest = first;
      let least = deadlines[first] as number;
      for (let child = first + 1; child < end; child++) {
        const candidate = deadlines[child] as number;
        if (
          candidate < least ||
          (candidate === least && this.isBefore(entries[child] as E, candidate, nearest))
        ) {
          nearest = child;
          least = candidate;
        }
      }
      if (this.isBefore(entry, deadline, nearest)) break;
      this.place(entries[nearest] as E, least, index);
      index = nearest;
    }
    this.place(entry, deadline, index);
  }
}
