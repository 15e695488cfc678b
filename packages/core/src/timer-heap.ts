/**
 * Timers, nearest first: a heap of four children a node, which is flatter and kinder to the cache than a binary one. The
 * deadlines lie in an array of their own beside the entries, so that a comparison reads no object. It is here, and not in
 * a backend, because the order in which timers expire is part of what a deadline means.
 *
 * Invariant: every entry knows its index, so cancelling costs O(log n) and leaves nothing behind; equal deadlines keep
 * the order in which they were registered.
 */
import type { Timer } from "./backend.ts";

let registered = 0;

/** A timer in a `TimerHeap`. Extend it: say what is to happen when it expires. */
export abstract class TimerEntry {
  /** Counts those registered before, so that equals keep their order. */
  readonly sequence: number;
  /** Where it is in the heap; -1 outside. */
  index = -1;
  readonly timer: Timer;
  /** A deadline, which lets the operations that are due with it complete first. */
  readonly cancels: boolean;

  constructor(timer: Timer, order: "operation" | "deadline") {
    this.sequence = registered++;
    this.timer = timer;
    this.cancels = order === "deadline";
  }

  /** The time has come, and the entry is out of the heap. */
  abstract expire(): void;
}

/**
 * The timers of a backend, nearest first. Adding and removing cost O(log n).
 *
 * ```ts
 * class Entry extends TimerEntry {
 *   expire(): void {
 *     this.timer.expired();
 *   }
 * }
 * const timers = new TimerHeap<Entry>();
 * const order: string[] = [];
 * const nap = { expired: () => void order.push("nap") };
 * const timeout = { expired: () => void order.push("timeout") };
 * timers.add(new Entry(timeout, "deadline"), 2);
 * timers.add(new Entry(nap, "operation"), 3);
 * timers.expire(5);
 * console.log(order.join(" "), timers.deadline); // nap timeout Infinity
 * ```
 */
export class TimerHeap<E extends TimerEntry> {
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

  /** Everything due, operations first: what is done in time is not cancelled by the deadline that it met. */
  expire(now: number): void {
    let deadlines: E[] | undefined;
    while (this.deadline <= now) {
      const top = this.top as E;
      this.remove(top);
      if (top.cancels) (deadlines ??= []).push(top);
      else top.expire();
    }
    if (deadlines !== undefined) for (const entry of deadlines) entry.expire();
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
