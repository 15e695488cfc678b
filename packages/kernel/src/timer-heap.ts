/**
 * Timers, nearest first: a heap of four children a node, which is flatter and kinder to the cache than a binary one.
 *
 * Invariant: every entry knows its index, so cancelling costs O(log n) and leaves nothing behind; equal deadlines keep
 * the order in which they were added.
 */
export abstract class HeapEntry {
  readonly deadline: number;
  private readonly sequence: number;
  /** Where it is in the heap; -1 outside. */
  index = -1;

  constructor(deadline: number, sequence: number) {
    this.deadline = deadline;
    this.sequence = sequence;
  }

  isBefore(other: HeapEntry): boolean {
    return this.deadline === other.deadline ? this.sequence < other.sequence : this.deadline < other.deadline;
  }
}

export class TimerHeap<E extends HeapEntry> {
  private readonly entries: E[] = [];

  /** The nearest entry. */
  get top(): E | undefined {
    return this.entries[0];
  }

  add(entry: E): void {
    this.entries.push(entry);
    this.rise(entry, this.entries.length - 1);
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
    if (last === entry) return true;
    const above = this.entries[(index - 1) >> 2];
    if (index > 0 && above !== undefined && last.isBefore(above)) this.rise(last, index);
    else this.sink(last, index);
    return true;
  }

  private rise(entry: E, start: number): void {
    const { entries } = this;
    let index = start;
    while (index > 0) {
      const parentIndex = (index - 1) >> 2;
      const parent = entries[parentIndex] as E;
      if (!entry.isBefore(parent)) break;
      entries[index] = parent;
      parent.index = index;
      index = parentIndex;
    }
    entries[index] = entry;
    entry.index = index;
  }

  private sink(entry: E, start: number): void {
    const { entries } = this;
    const size = entries.length;
    let index = start;
    for (;;) {
      const first = index * 4 + 1;
      if (first >= size) break;
      let nearest = entries[first] as E;
      let nearestIndex = first;
      for (let child = first + 1; child < Math.min(first + 4, size); child++) {
        const candidate = entries[child] as E;
        if (candidate.isBefore(nearest)) {
          nearest = candidate;
          nearestIndex = child;
        }
      }
      if (!nearest.isBefore(entry)) break;
      entries[index] = nearest;
      nearest.index = index;
      index = nearestIndex;
    }
    entries[index] = entry;
    entry.index = index;
  }
}
