/**
 * The way between two addresses of a memory network: how long it takes, and whether anything comes through.
 *
 * Invariant: a partition loses nothing and delivers nothing; when it ends everything is sent again, as TCP would.
 */
import { BrokenResourceError, type Coroutine, moveOnAt, now, UsageError } from "@anyloop/core";
import { ParkingLot } from "@anyloop/core/lowlevel";
import type { ByteChannel } from "./byte-channel.ts";

export class Link {
  private oneWay: number;
  private isUp = true;
  private readonly channels = new Set<ByteChannel>();
  private readonly changes = new ParkingLot("an answer from the network");

  constructor(delay: number) {
    this.oneWay = delay;
  }

  /** Milliseconds from one end to the other. */
  get delay(): number {
    return this.oneWay;
  }

  set delay(milliseconds: number) {
    this.oneWay = checkDelay(milliseconds, "delay");
  }

  /** When what is sent now arrives. */
  readonly arrival = (): number => (this.isUp ? now() + this.oneWay : Infinity);

  carry(...channels: readonly ByteChannel[]): void {
    for (const channel of this.channels) if (channel.isDone) this.channels.delete(channel);
    for (const channel of channels) this.channels.add(channel);
  }

  /** Goes from one end to the other; in a partition it waits for its end. */
  *travel(): Coroutine<void> {
    for (;;) {
      const arrival = this.arrival();
      if (arrival === Infinity) {
        yield* this.changes.park();
        continue;
      }
      let isCutShort = false;
      yield* moveOnAt(arrival, () => this.untilCut(() => (isCutShort = true)));
      if (!isCutShort) return;
    }
  }

  partition(): void {
    if (!this.isUp) return;
    for (const channel of this.channels) channel.suspend();
    this.isUp = false;
    this.changes.unparkAll();
  }

  heal(): void {
    if (this.isUp) return;
    this.isUp = true;
    for (const channel of this.channels) channel.resume();
    this.changes.unparkAll();
  }

  reset(cause: Error): void {
    for (const channel of this.channels)
      channel.breakNow(() => new BrokenResourceError("The connection was reset.", { cause }));
    this.channels.clear();
  }

  private *untilCut(isCut: () => void): Coroutine<void> {
    yield* this.changes.park();
    isCut();
  }
}

export function checkDelay(milliseconds: number, what: string): number {
  if (milliseconds >= 0 && milliseconds < Infinity) return milliseconds;
  throw new UsageError(
    `The ${what} is ${String(milliseconds)}. Give a number of milliseconds, 0 or more; for no answer at all, partition().`,
  );
}
