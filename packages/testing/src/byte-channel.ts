/**
 * One direction of a byte stream in memory: what was sent, what of it has arrived, and how it ended.
 *
 * Invariant: nobody sees a part before those sent earlier, whenever it may have arrived; an end and an error are parts
 * like any other, so they come after the data before them, and stay.
 */
import {
  BrokenResourceError,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  moveOnAt,
  now,
  type Operation,
  UsageError,
} from "@anyloop/core";
import { checkpointIfCancelled, ParkingLot } from "@anyloop/core/lowlevel";

/** Tells when what is sent now will arrive, on the loop's clock in milliseconds; `Infinity`: not as things stand. */
export type Arrival = () => number;

/** Something on its way: data, or how the stream ends. */
interface Part {
  data: Uint8Array;
  readonly end: (() => Error) | undefined;
  arrival: number;
}

const nothing = new Uint8Array(0);
const noDelay: Arrival = () => -Infinity;

export interface ChannelOptions {
  readonly arrival?: Arrival | undefined;
  /** Bytes that may be on their way before a sender has to wait; no limit if not given. */
  readonly window?: number | undefined;
  /** A sender waits until the receiver has taken everything. */
  readonly lockstep?: boolean | undefined;
}

export class ByteChannel {
  private readonly arrival: Arrival;
  private readonly window: number;
  private readonly lockstep: boolean;
  private readonly parts: Part[] = [];
  /** What the sender is told instead of its data being taken, from a time on. */
  private refusal: { readonly error: () => Error; arrival: number } | undefined = undefined;
  private unread = 0;
  private isEnded = false;
  private senderClosed = false;
  private receiverClosed = false;
  private readonly readers = new ParkingLot("bytes to arrive");
  private readonly writers = new ParkingLot("room for bytes");

  constructor({ arrival = noDelay, window = Infinity, lockstep = false }: ChannelOptions) {
    this.arrival = arrival;
    this.window = window;
    this.lockstep = lockstep;
  }

  /** Whether nobody will use it any more. */
  get isDone(): boolean {
    return this.senderClosed && this.receiverClosed;
  }

  *send(data: Uint8Array): Coroutine<void> {
    // Ours from now on: the sender may use its own again.
    const part: Part = { data: data.slice(), end: undefined, arrival: Infinity };
    yield* checkpointIfCancelled();
    for (this.checkSender(); this.unread >= this.window; this.checkSender())
      yield* waitIn(this.writers, this.refusal?.arrival);
    if (data.length === 0) return;
    this.push(part);
    if (this.lockstep) yield* this.untilTaken(part);
  }

  *receive(maxBytes: number): Coroutine<Uint8Array> {
    yield* checkpointIfCancelled();
    for (;;) {
      if (this.receiverClosed) throw new ClosedResourceError();
      const [first] = this.parts;
      if (first !== undefined && first.arrival <= now()) {
        if (first.end !== undefined) throw first.end();
        return this.take(maxBytes);
      }
      yield* waitIn(this.readers, first?.arrival);
    }
  }

  /** The sender has nothing more to send. */
  end(): void {
    if (this.isEnded) return;
    this.push({ data: nothing, end: () => new EndOfStream(), arrival: Infinity });
    this.isEnded = true;
  }

  closeSender(): void {
    this.end();
    this.senderClosed = true;
    this.writers.unparkAll();
  }

  closeReceiver(): void {
    if (this.receiverClosed) return;
    this.receiverClosed = true;
    this.drop();
    this.refuse(peerGone);
    this.readers.unparkAll();
  }

  /** What was on its way is lost; both sides are told, each when it can know. */
  break(error: () => Error): void {
    this.drop();
    this.push({ data: nothing, end: error, arrival: Infinity });
    this.refuse(error);
  }

  /** Both sides are told at once. */
  breakNow(error: () => Error): void {
    this.break(error);
    for (const part of this.parts) part.arrival = -Infinity;
    if (this.refusal !== undefined) this.refusal.arrival = -Infinity;
  }

  /** Nothing that has not arrived by now will, until `resume`. */
  suspend(): void {
    const time = now();
    for (const part of this.parts) if (part.arrival > time) part.arrival = Infinity;
    if (this.refusal !== undefined && this.refusal.arrival > time) this.refusal.arrival = Infinity;
    this.wakeAll();
  }

  /** What was held up is sent again. */
  resume(): void {
    for (const part of this.parts) if (part.arrival === Infinity) part.arrival = this.arrival();
    if (this.refusal?.arrival === Infinity) this.refusal.arrival = this.arrival();
    this.wakeAll();
  }

  private checkSender(): void {
    if (this.isEnded) throw new ClosedResourceError();
    if (this.refusal !== undefined && this.refusal.arrival <= now()) throw this.refusal.error();
  }

  private push(part: Part): void {
    // Nobody will read it; that the sender does not know yet.
    if (this.receiverClosed) return;
    part.arrival = this.arrival();
    this.parts.push(part);
    this.unread += part.data.length;
    this.readers.unparkAll();
  }

  private *untilTaken(part: Part): Coroutine<void> {
    try {
      while (this.parts.includes(part)) {
        this.checkSender();
        yield* this.writers.park();
      }
      // Dropped, not taken: whoever did that has left a reason.
      if (part.data.length > 0) this.checkSender();
    } finally {
      this.takeBack(part);
    }
  }

  /** Cancelled: what the receiver has not taken never happened. */
  private takeBack(part: Part): void {
    const index = this.parts.indexOf(part);
    if (index < 0) return;
    this.parts.splice(index, 1);
    this.unread -= part.data.length;
  }

  private take(maxBytes: number): Uint8Array {
    const time = now();
    const pieces: Uint8Array[] = [];
    let size = 0;
    for (let [part] = this.parts; part !== undefined && size < maxBytes; [part] = this.parts) {
      if (part.end !== undefined || part.arrival > time) break;
      const piece = part.data.subarray(0, maxBytes - size);
      part.data = part.data.subarray(piece.length);
      pieces.push(piece);
      size += piece.length;
      if (part.data.length === 0) this.parts.shift();
    }
    this.unread -= size;
    this.writers.unparkAll();
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : joined(pieces, size);
  }

  private drop(): void {
    this.parts.length = 0;
    this.unread = 0;
  }

  private refuse(error: () => Error): void {
    this.refusal ??= { error, arrival: this.arrival() };
    this.wakeAll();
  }

  private wakeAll(): void {
    this.readers.unparkAll();
    this.writers.unparkAll();
  }
}

/** Waits for something to change, or for the time at which something arrives. */
function* waitIn(lot: ParkingLot, time = Infinity): Coroutine<void> {
  yield* time === Infinity ? lot.park() : (moveOnAt(time, lot.park()) as Operation<void>);
}

function joined(pieces: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function peerGone(): BrokenResourceError {
  return new BrokenResourceError("The other side has closed the stream: nobody will read what is sent.");
}

export function checkMaxBytes(maxBytes: number): void {
  if (!(Number.isInteger(maxBytes) && maxBytes > 0))
    throw new UsageError(`maxBytes is ${String(maxBytes)}. Give a whole number of bytes, 1 or more.`);
}
