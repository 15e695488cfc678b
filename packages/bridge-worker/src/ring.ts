/**
 * A ring of messages in shared memory, from a run to a thread that blocks: it has no loop that a message could reach.
 *
 * Invariant: one side writes and the other reads. What was written and what was read are counted in bytes, for ever
 * (modulo 2³²); what lies between is whole messages, each its length (4 bytes) and its content, broken where the memory
 * ends. A count moves on after its bytes, so nobody sees half a message; and then a signal is counted up, on which the
 * other side waits: whoever looks at it before looking at the rest misses nothing. A cancelled send has written nothing.
 *
 * Items are written as JSON, the one encoding that every runtime has without waiting; what JSON would lose silently is
 * refused. The room is a power of two, or the counts would not go round in step with it.
 */
import {
  BrokenResourceError,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  fromPromise,
  Lock,
  type ObjectSendStream,
  type Operation,
  perform,
  TimeoutError,
  UsageError,
} from "@anyloop/core";
import { closing } from "@anyloop/core/lowlevel";

/** What the head of the memory counts. */
const [written, read, ended, stopped, writerSignal, readerSignal] = [0, 1, 2, 3, 4, 5];
const headBytes = 32;
const lengthBytes = 4;
/** Milliseconds. */
const longestTimer = 2 ** 31 - 1;
const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];

/** Newer than the library that we are compiled with; in every runtime that we run on. */
const { waitAsync } = Atomics as unknown as {
  waitAsync(array: Int32Array, index: number, value: number): { readonly value: Promise<unknown> | string };
};

/** The memory of a ring, as both sides see it. */
class Memory {
  readonly head: Int32Array;
  private readonly bytes: Uint8Array;

  constructor(buffer: SharedArrayBuffer) {
    this.head = new Int32Array(buffer, 0, headBytes / Int32Array.BYTES_PER_ELEMENT);
    this.bytes = new Uint8Array(buffer, headBytes);
  }

  get size(): number {
    return this.bytes.length;
  }

  get used(): number {
    return (this.count(written) - this.count(read)) >>> 0;
  }

  count(index: number): number {
    return Atomics.load(this.head, index);
  }

  write(content: Uint8Array): void {
    const length = new Uint8Array(lengthBytes);
    new DataView(length.buffer).setUint32(0, content.length);
    const at = this.count(written);
    this.put(at, length);
    this.put(at + lengthBytes, content);
    Atomics.add(this.head, written, lengthBytes + content.length);
    this.signal(writerSignal);
  }

  /** Only if there is a message. */
  read(): Uint8Array {
    const at = this.count(read);
    const length = new DataView(this.copy(at, lengthBytes).buffer).getUint32(0);
    const content = this.copy(at + lengthBytes, length);
    Atomics.add(this.head, read, lengthBytes + length);
    this.signal(readerSignal);
    return content;
  }

  mark(index: number): void {
    Atomics.store(this.head, index, 1);
    this.signal(writerSignal);
    this.signal(readerSignal);
  }

  private signal(index: number): void {
    Atomics.add(this.head, index, 1);
    Atomics.notify(this.head, index);
  }

  private put(at: number, source: Uint8Array): void {
    const begin = (at >>> 0) % this.size;
    const first = source.subarray(0, this.size - begin);
    this.bytes.set(first, begin);
    this.bytes.set(source.subarray(first.length));
  }

  private copy(at: number, length: number): Uint8Array<ArrayBuffer> {
    const begin = (at >>> 0) % this.size;
    const copied = new Uint8Array(length);
    const first = this.bytes.subarray(begin, begin + length);
    copied.set(first);
    copied.set(this.bytes.subarray(0, length - first.length), first.length);
    return copied;
  }
}

/** The end of a ring that a run has. The other, `RingReader`, is made of its `buffer` in the thread that blocks. */
export class Ring<in T> implements ObjectSendStream<T> {
  /** Give it to the thread: as `workerData`, or in a message. */
  readonly buffer: SharedArrayBuffer;
  private readonly memory: Memory;
  private readonly sending = new Lock();
  private failure: { readonly cause: unknown } | undefined = undefined;

  /** @internal See `createRing`. */
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.memory = new Memory(buffer);
  }

  /**
   * Writes an item and wakes the thread; waits while there is no room.
   * @throws UsageError for an item that JSON cannot say, or that is longer than the ring; BrokenResourceError once the
   * reader was closed, or `breakOff` was called; ClosedResourceError.
   */
  send(item: T): Operation<void> {
    const content = encoder.encode(toJson(item));
    if (content.length + lengthBytes > this.memory.size) {
      throw new UsageError(
        `This item takes ${String(content.length + lengthBytes)} bytes, and the ring has ${String(this.memory.size)}. Make a larger ring.`,
      );
    }
    return perform<this, [Uint8Array], void>(this, this.doSend, content);
  }

  /** The thread is gone, which nobody tells a ring by itself: sends are broken, with the cause. From any callback. */
  breakOff(cause: unknown): void {
    this.failure ??= { cause };
    this.memory.mark(stopped);
  }

  /** Nothing more comes: the reader reads what is there, and then the end. */
  close(): Operation<void> {
    return closing(() => this.memory.mark(ended));
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doSend(content: Uint8Array): Coroutine<void> {
    const held = yield* this.sending.acquire();
    try {
      for (;;) {
        const signal = this.memory.count(readerSignal);
        this.assertUsable();
        if (this.memory.size - this.memory.used >= lengthBytes + content.length) break;
        yield* this.nextSignal(signal);
      }
      this.memory.write(content);
    } finally {
      held.release();
    }
  }

  private assertUsable(): void {
    if (this.memory.count(ended) !== 0) throw new ClosedResourceError();
    if (this.memory.count(stopped) === 0) return;
    throw new BrokenResourceError("The thread reads no more.", this.failure);
  }

  private *nextSignal(signal: number): Coroutine<void> {
    const { value } = waitAsync(this.memory.head, readerSignal, signal);
    if (typeof value === "string") return;
    // Waiting for memory keeps no process alive.
    const alive = setInterval(() => {}, longestTimer);
    try {
      yield* fromPromise(value);
    } finally {
      clearInterval(alive);
    }
  }
}

/** The end of a ring in a thread that blocks. Every call blocks the thread: in a browser not the page's. */
export class RingReader<out T> implements Iterable<T> {
  private readonly memory: Memory;

  /** Of a ring's `buffer`; one reader for each ring. */
  constructor(buffer: SharedArrayBuffer) {
    this.memory = new Memory(buffer);
  }

  /**
   * The next item; blocks the thread until there is one, but no longer than so many milliseconds (`Infinity` if not given).
   * @throws EndOfStream once the ring was closed and everything was read; TimeoutError; ClosedResourceError.
   */
  receive(milliseconds: number = Infinity): T {
    const { memory } = this;
    const deadline = performance.now() + milliseconds;
    for (;;) {
      const signal = memory.count(writerSignal);
      if (memory.count(stopped) !== 0) throw new ClosedResourceError();
      if (memory.used > 0) return JSON.parse(decoder.decode(memory.read())) as T;
      if (memory.count(ended) !== 0) throw new EndOfStream();
      const rest = deadline - performance.now();
      if (rest <= 0) throw new TimeoutError(`No item came within ${String(milliseconds)} ms.`);
      Atomics.wait(memory.head, writerSignal, signal, rest);
    }
  }

  /** Everything that comes until the end. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (;;) {
      let item: T;
      try {
        item = this.receive();
      } catch (error) {
        if (error instanceof EndOfStream) return;
        throw error;
      }
      yield item;
    }
  }

  /** Nothing more is read: sends are broken from here on. */
  close(): void {
    this.memory.mark(stopped);
  }
}

const smallest = 64;
const largest = 2 ** 30;

/**
 * Makes a ring of at least so many bytes, towards one thread that blocks.
 *
 * ```ts
 * import { run } from "anyloop";
 * import { createRing, RingReader } from "@anyloop/bridge-worker";
 *
 * const ring = createRing<string>(1024);
 * const reader = new RingReader<string>(ring.buffer); // In the other thread
 * await run(ring.send("to whom it may block"));
 * console.log(reader.receive()); // to whom it may block
 * ```
 *
 * @throws UsageError for a size that cannot be.
 */
export function createRing<T>(bytes: number): Ring<T> {
  if (!(Number.isInteger(bytes) && bytes >= 1 && bytes <= largest)) {
    throw new UsageError(`The ring is to have ${String(bytes)} bytes. Give a whole number, 1 to 2³⁰.`);
  }
  const size = 2 ** Math.ceil(Math.log2(Math.max(bytes, smallest)));
  return new Ring(new SharedArrayBuffer(headBytes + size));
}

/** @throws UsageError for what would not be the same afterwards. */
function toJson(item: unknown): string {
  return JSON.stringify(item, checkValue);
}

/** As a replacer: looks at each value before JSON does with it what it likes. */
function checkValue(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Readonly<Record<string, unknown>>)[key];
  const kind = typeof original;
  const isSame =
    kind === "string" ||
    kind === "boolean" ||
    original === null ||
    (kind === "number" ? Number.isFinite(original) : kind === "object" && isPlain(original as object));
  if (isSame) return value;
  const what = kind === "object" ? Object.prototype.toString.call(original) : `a ${kind}`;
  throw new UsageError(`This item has ${what} in it, which JSON cannot say. Send plain data.`);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}
