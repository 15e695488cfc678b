/** Bridges to web streams and to promises, as small as they can be: what the suite of bridges is tried on. */
import {
  BrokenResourceError,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  fromPromise,
  isCancelled,
  Lock,
  type ObjectSendStream,
  type Operation,
  perform,
  RunFinishedError,
  sleepForever,
  type TaskGroup,
} from "@anyloop/core";
import { closing, ReceiveStreamBase } from "@anyloop/core/lowlevel";
import type { InwardBridge, OutwardBridge, WorkBridge } from "@anyloop/testing";

const ignore = (): void => {};
type Read = ReadableStreamReadResult<number>;

/** Reads a web stream. A read that nobody waits for any more is kept for the next receive. */
export class WebReceiveStream extends ReceiveStreamBase<number> {
  protected readonly reader: ReadableStreamDefaultReader<number>;
  private pending: Promise<Read> | undefined = undefined;
  private readonly receiving = new Lock();
  private isClosed = false;
  /** How it ended, if it has. */
  private ended: EndOfStream | BrokenResourceError | undefined = undefined;

  constructor(readable: ReadableStream<number>) {
    super();
    this.reader = readable.getReader();
  }

  receive(): Operation<number> {
    return perform(this, this.doReceive);
  }

  close(): Operation<void> {
    return closing(() => this.giveUp(new ClosedResourceError()));
  }

  /** Gives the web stream up; whoever writes there is told why. */
  giveUp(reason: Error): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.ended !== undefined) return;
    this.reader.cancel(reason).catch(ignore);
    this.reader.releaseLock();
  }

  protected *read(): Coroutine<Read> {
    this.pending ??= this.reader.read();
    const result = yield* fromPromise(this.pending);
    this.pending = undefined;
    return result;
  }

  private *doReceive(): Coroutine<number> {
    const held = yield* this.receiving.acquire();
    try {
      return yield* this.receiveAlone();
    } finally {
      held.release();
    }
  }

  private *receiveAlone(): Coroutine<number> {
    if (this.isClosed) throw new ClosedResourceError();
    if (this.ended !== undefined) throw this.ended;
    try {
      const { done, value } = yield* this.read();
      if (!done) return value;
      this.end(new EndOfStream());
    } catch (error) {
      if (isCancelled(error)) throw error;
      this.end(new BrokenResourceError(undefined, { cause: error }));
    }
    throw this.isClosed ? new ClosedResourceError() : (this.ended ?? new EndOfStream());
  }

  private end(how: EndOfStream | BrokenResourceError): void {
    if (this.isClosed) return;
    this.ended = how;
    this.reader.releaseLock();
  }
}

/** Writes a web stream, one item when there is room: what is written cannot be taken back. */
class WebSendStream implements ObjectSendStream<number> {
  private readonly writer: WritableStreamDefaultWriter<number>;
  private isClosed = false;
  private broken: BrokenResourceError | undefined = undefined;

  constructor(writable: WritableStream<number>) {
    this.writer = writable.getWriter();
    this.writer.closed.catch((error: unknown) => this.breakOff(error));
  }

  send(item: number): Operation<void> {
    return perform(this, this.doSend, item);
  }

  close(): Operation<void> {
    return closing(() => this.end());
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  fail(reason: Error): void {
    this.isClosed = true;
    this.writer.abort(reason).catch(ignore);
    this.writer.releaseLock();
  }

  private *doSend(item: number): Coroutine<void> {
    do {
      if (this.isClosed) throw new ClosedResourceError();
      if (this.broken !== undefined) throw this.broken;
      try {
        yield* fromPromise(this.writer.ready);
      } catch (error) {
        if (isCancelled(error)) throw error;
        this.breakOff(error);
      }
    } while (this.isClosed || this.broken !== undefined || (this.writer.desiredSize ?? 1) <= 0);
    this.writer.write(item).catch(ignore);
  }

  private breakOff(cause: unknown): void {
    if (this.isClosed || this.broken !== undefined) return;
    this.broken = new BrokenResourceError(undefined, { cause });
    this.writer.releaseLock();
  }

  private end(): void {
    if (!this.isClosed && this.broken === undefined) {
      this.writer.close().catch(ignore);
      this.writer.releaseLock();
    }
    this.isClosed = true;
  }
}

/** Told at the end of the group, which is that of the run. */
function atTheEnd(group: TaskGroup, tell: (reason: Error) => void): void {
  group.startSoon(
    function* () {
      try {
        yield* sleepForever();
      } finally {
        tell(new RunFinishedError());
      }
    },
    { daemon: true },
  );
}

/** A foreign writer, and a stream of ours that reads what it writes. */
export function webInward(
  group: TaskGroup,
  Stream: new (readable: ReadableStream<number>) => WebReceiveStream = WebReceiveStream,
): InwardBridge {
  const { readable, writable } = new TransformStream<number, number>();
  const writer = writable.getWriter();
  const ours = new Stream(readable);
  let isTold = false;
  writer.closed.catch(() => (isTold = true));
  atTheEnd(group, (reason) => ours.giveUp(reason));
  return {
    ours,
    foreign: {
      write: (item) => writer.ready.then(() => writer.write(item)),
      end: () => void writer.close().catch(ignore),
      fail: (reason) => void writer.abort(reason).catch(ignore),
      isToldToStop: () => isTold,
      listeners: () => (readable.locked ? 1 : 0),
    },
  };
}

/** A stream of ours, and a foreign reader of what is sent into it. */
export function webOutward(): OutwardBridge {
  const { readable, writable } = new TransformStream<number, number>();
  const reader = readable.getReader();
  const ours = new WebSendStream(writable);
  return {
    ours,
    fail: (error) => ours.fail(error),
    foreign: {
      read: () => reader.read(),
      cancel: (reason) => void reader.cancel(reason).catch(ignore),
      listeners: () => (writable.locked ? 1 : 0),
    },
  };
}

/** A promise of foreign work that hears of its signal, and `fromPromise` around it. */
export function promiseWork(): WorkBridge {
  let signal: AbortSignal | undefined;
  let settle: { resolve(value: string): void; reject(error: unknown): void } | undefined;
  return {
    operation: fromPromise(
      (given) =>
        new Promise<string>((resolve, reject) => {
          signal = given;
          settle = { resolve, reject };
        }),
    ),
    foreign: {
      succeed: (value) => settle?.resolve(value),
      fail: (error) => settle?.reject(error),
      stop: () => settle?.reject(signal?.reason),
      isToldToStop: () => signal?.aborted === true,
      // What settles the promise is all there is.
      listeners: () => 0,
    },
  };
}
