/** Node streams with one end in each world. */
import { Duplex, Readable, Writable } from "node:stream";
import {
  type BridgeReceiveStream,
  type BridgeSendStream,
  failureOf,
  forward,
  receivingEnd,
  sendingEnd,
  UniversalQueue,
} from "@anyloop/bridge";
import { ClosedResourceError, type ObjectReceiveStream, type TaskGroup } from "@anyloop/core";
import { Deque, type Waiter } from "@anyloop/core/lowlevel";
import { destroyed } from "./end-of-stream.ts";

/** Items that wait between the two ends: enough that each side works for a while before the other has its turn. */
const between = 16;

export interface PairOptions {
  /** Whether the Node stream carries objects (default) or bytes. */
  readonly objectMode?: boolean | undefined;
}

type Done = (error?: Error | null) => void;

/**
 * Node's `read`: hands on what there is until Node has enough, then waits for one more. Node calls it again as soon as
 * something was pushed, also while that one is still waited for.
 *
 * Everything is taken off the queue at once, and no more before Node has had it: taken one by one, each would wake a
 * sender who waits for room, and a turn costs more than an item.
 */
function readFrom<T>(queue: UniversalQueue<T>): (this: Readable) => void {
  const taken = new Deque<T>();
  let isWaiting = false;
  let waiter: Waiter<T> | undefined;
  return function read(this: Readable): void {
    if (isWaiting) return;
    if (taken.size === 0) for (let left = queue.size; left > 0; left--) taken.push(queue.getNowait());
    while (taken.size > 0) if (!this.push(taken.shift())) return;
    isWaiting = true;
    waiter ??= {
      resume: (item) => {
        isWaiting = false;
        this.push(item);
      },
      fail: (error) => {
        const failure = failureOf(error);
        if (failure === undefined) this.push(null);
        else if (!this.destroyed) destroyed(this, failure.error);
      },
    };
    queue.getWith(waiter);
  };
}

/** Why a queue is closed whose Node side was destroyed. */
function reasonFor(error: Error | null): Error {
  return error ?? new ClosedResourceError("The Node stream was destroyed.");
}

function writeInto<T>(queue: UniversalQueue<T>): (item: T, encoding: string, done: Done) => void {
  return (item, _encoding, done) => {
    queue.putWith(item, { resume: () => done(), fail: (error) => done(error as Error) });
  };
}

/**
 * What is sent into the first comes out of the second, a Node stream for somebody else.
 *
 * ```ts
 * import { run } from "anyloop";
 * import { readable } from "@anyloop/bridge-node";
 *
 * const [send, stream] = readable<string>();
 * void run(function* () {
 *   yield* send.send("hello");
 *   yield* send.close();
 * });
 * for await (const item of stream) console.log(item); // hello
 * ```
 */
export function readable<T>({ objectMode = true }: PairOptions = {}): [
  send: BridgeSendStream<T>,
  readable: Readable,
] {
  const queue = new UniversalQueue<T>({ capacity: between });
  const stream = new Readable({
    objectMode,
    read: readFrom(queue),
    destroy(error, done) {
      queue.close(reasonFor(error));
      done(error);
    },
  });
  return [sendingEnd(queue), stream];
}

/**
 * What somebody else writes into the first, a Node stream, comes out of the second.
 *
 * ```ts
 * import { run } from "anyloop";
 * import { writable } from "@anyloop/bridge-node";
 *
 * const [stream, receive] = writable<string>();
 * stream.end("hello");
 * console.log(await run(receive.receive())); // hello
 * ```
 */
export function writable<T>({ objectMode = true }: PairOptions = {}): [
  writable: Writable,
  receive: BridgeReceiveStream<T>,
] {
  const queue: UniversalQueue<T> = new UniversalQueue<T>({
    capacity: between,
    onClose: (reason) => destroyed(stream, reason),
  });
  const stream: Writable = new Writable({
    objectMode,
    write: writeInto(queue),
    final(done) {
      queue.end();
      done();
    },
    destroy(error, done) {
      queue.fail(reasonFor(error));
      done(error);
    },
  });
  return [stream, receivingEnd(queue)];
}

/**
 * A Node duplex for somebody else, and our two ends of it: what is sent into ours is read there, what is written there is
 * received from ours.
 */
export function duplex<I, O = I>({ objectMode = true }: PairOptions = {}): [
  duplex: Duplex,
  send: BridgeSendStream<O>,
  receive: BridgeReceiveStream<I>,
] {
  const outgoing = new UniversalQueue<O>({ capacity: between });
  const incoming: UniversalQueue<I> = new UniversalQueue<I>({
    capacity: between,
    onClose: (reason) => destroyed(stream, reason),
  });
  const stream: Duplex = new Duplex({
    objectMode,
    read: readFrom(outgoing),
    write: writeInto(incoming),
    final(done) {
      incoming.end();
      done();
    },
    destroy(error, done) {
      outgoing.close(reasonFor(error));
      incoming.fail(reasonFor(error));
      done(error);
    },
  });
  return [stream, sendingEnd(outgoing), receivingEnd(incoming)];
}

/**
 * Gives a stream of ours to somebody who wants a Node stream. What reads it is a task of the group, so the Node stream
 * ends with the group at the latest.
 */
export function toReadable<T>(
  group: TaskGroup,
  stream: ObjectReceiveStream<T>,
  options?: PairOptions,
): Readable {
  const [send, given] = readable<T>(options);
  group.startSoon(forward(stream, send));
  return given;
}
