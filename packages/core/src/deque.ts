/**
 * A double-ended queue in a ring buffer.
 *
 * Invariant: capacity is a power of two, so that a mask replaces the division; a slot that was read is cleared, so that
 * nothing is kept alive by it.
 */
export class Deque<T> {
  private slots: (T | undefined)[] = Array.from({ length: 8 });
  private head = 0;
  private count = 0;

  get size(): number {
    return this.count;
  }

  push(item: T): void {
    if (this.count === this.slots.length) this.grow();
    this.slots[(this.head + this.count) & (this.slots.length - 1)] = item;
    this.count++;
  }

  /** Takes the oldest item; undefined if there is none. */
  shift(): T | undefined {
    if (this.count === 0) return undefined;
    const item = this.slots[this.head];
    this.slots[this.head] = undefined;
    this.head = (this.head + 1) & (this.slots.length - 1);
    this.count--;
    return item;
  }

  /** Takes the newest item; undefined if there is none. */
  pop(): T | undefined {
    if (this.count === 0) return undefined;
    this.count--;
    const index = (this.head + this.count) & (this.slots.length - 1);
    const item = this.slots[index];
    this.slots[index] = undefined;
    return item;
  }

  private grow(): void {
    const { slots, head } = this;
    const grown = slots.slice(head).concat(slots.slice(0, head));
    grown.length = slots.length * 2;
    this.slots = grown;
    this.head = 0;
  }
}
