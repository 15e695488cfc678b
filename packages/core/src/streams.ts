/**
 * What a stream is: the interfaces that all streams of anyloop share, and the base from which receiving ends are made.
 *
 * Invariant: an operation on a stream either happened or threw; `EndOfStream` is the orderly end, `ClosedResourceError`
 * means that I closed it, `BrokenResourceError` that the other side is gone.
 */
import { type Cancelled, isEndOfStream } from "./errors.ts";
import { Immediate } from "./leaf.ts";
import { perform } from "./operation.ts";
import type { Strand } from "./strand.ts";
import type { Coroutine, Handler, Operation } from "./types.ts";

/** Anything that can be closed by an operation. */
export interface AsyncCloseable extends AsyncDisposable {
  /** Closes it; takes effect at once even if the task is cancelled. Closing again does nothing. */
  close(): Operation<void>;
  [Symbol.asyncDispose](): Operation<void>;
}

export interface Receiver<out T> {
  /** The next item. @throws EndOfStream, ClosedResourceError, BrokenResourceError. */
  receive(): Operation<T>;
}

export interface ObjectSendStream<in T> extends AsyncCloseable {
  /** Hands an item over. @throws ClosedResourceError, BrokenResourceError. */
  send(item: T): Operation<void>;
}

/** A receiving end. In async style read it with `for await` (`break` leaves it open), in generator style with `forEach`. */
export interface ObjectReceiveStream<out T> extends Receiver<T>, AsyncCloseable {
  next(): Operation<IteratorResult<T, undefined>>;
  return(): Operation<IteratorReturnResult<undefined>>;
  [Symbol.asyncIterator](): this;
}

export interface ObjectStream<T> extends ObjectSendStream<T>, ObjectReceiveStream<T> {
  /** Ends the sending direction; the other side sees the end of the stream. */
  sendEof(): Operation<void>;
}

export type SendStream<T> = ObjectSendStream<T>;
export type ReceiveStream<T> = ObjectReceiveStream<T>;

export interface ByteReceiveStream extends AsyncCloseable {
  /** At least one byte and at most `maxBytes` (default 65 536). @throws EndOfStream. */
  receive(maxBytes?: number): Operation<Uint8Array>;
}

export interface ByteSendStream extends AsyncCloseable {
  send(data: Uint8Array): Operation<void>;
}

export interface ByteStream extends ByteReceiveStream, ByteSendStream {
  /** Ends the sending direction; the other side sees the end of the stream and can still answer. */
  sendEof(): Operation<void>;
}

/** Something that accepts connections. */
export interface Listener<S> extends AsyncCloseable {
  /** Runs the handler for each connection, as a task of its own, until cancelled. */
  serve(handler: Handler<[stream: S]>): Operation<never>;
}

/** Something that can be connected to. */
export interface Connectable<S> {
  connect(): Operation<S>;
}

function* nextOf<T>(this: Receiver<T>): Coroutine<IteratorResult<T, undefined>> {
  try {
    return { done: false, value: yield* this.receive() };
  } catch (error) {
    if (isEndOfStream(error)) return { done: true, value: undefined };
    throw error;
  }
}

class Closing extends Immediate<void> {
  get label(): string {
    return "closing";
  }

  private readonly close: () => void;

  constructor(close: () => void) {
    super();
    this.close = close;
  }

  protected override enterCancelled(strand: Strand, cancelled: Cancelled): IteratorResult<unknown, unknown> {
    this.close();
    return this.refuse(strand, cancelled);
  }

  protected act(): void {
    this.close();
  }
}

/** Closes at once, cancelled or not; only then is a cancellation thrown. */
export function closing(close: () => void): Operation<void> {
  return new Closing(close);
}

class Return extends Immediate<IteratorReturnResult<undefined>> {
  get label(): string {
    return "the end of an iteration";
  }

  protected act(): IteratorReturnResult<undefined> {
    return { done: true, value: undefined };
  }
}

/** The iteration that every receiving end has. Extend it, and write `receive` and `close`. */
export abstract class ReceiveStreamBase<T> implements ObjectReceiveStream<T> {
  abstract receive(): Operation<T>;
  abstract close(): Operation<void>;

  next(): Operation<IteratorResult<T, undefined>> {
    return perform<Receiver<T>, [], IteratorResult<T, undefined>>(this, nextOf);
  }

  /** Called by `break`. The stream stays open, as in anyio: close it, or go on reading. */
  return(): Operation<IteratorReturnResult<undefined>> {
    return new Return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }
}
