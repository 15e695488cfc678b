/** Streams with one end in each world. */
import {
  type BridgeReceiveStream,
  type BridgeSendStream,
  failureOf,
  forward,
  receivingEnd,
  sendingEnd,
  UniversalQueue,
} from "@anyloop/bridge";
import type { ObjectReceiveStream, TaskGroup } from "@anyloop/core";

/** Items that wait between the two ends: enough that each side works for a while before the other has its turn. */
const between = 16;

/**
 * What is sent into the first comes out of the second, a web stream for somebody else.
 *
 * ```ts
 * import { run } from "anyloop";
 * import { readableStream } from "@anyloop/bridge-web";
 *
 * const [send, readable] = readableStream<string>();
 * const reading = new Response(readable.pipeThrough(new TextEncoderStream())).text();
 * await run(function* () {
 *   yield* send.send("hello ");
 *   yield* send.send("world");
 *   yield* send.close();
 * });
 * console.log(await reading); // hello world
 * ```
 */
export function readableStream<T>(): [send: BridgeSendStream<T>, readable: ReadableStream<T>] {
  const queue = new UniversalQueue<T>({ capacity: between, wake: "at-once" });
  const pull = (controller: ReadableStreamDefaultController<T>): Promise<void> =>
    new Promise((resolve) => {
      queue.getWith({
        resume(item) {
          controller.enqueue(item);
          resolve();
        },
        fail(error) {
          const failure = failureOf(error);
          if (failure === undefined) controller.close();
          else controller.error(failure.error);
          resolve();
        },
      });
    });
  const source: UnderlyingDefaultSource<T> = { pull, cancel: (reason) => queue.close(reason) };
  return [sendingEnd(queue), new ReadableStream(source, { highWaterMark: 0 })];
}

/**
 * What somebody else writes into the first, a web stream, comes out of the second.
 *
 * ```ts
 * import { run } from "anyloop";
 * import { writableStream } from "@anyloop/bridge-web";
 *
 * const [writable, receive] = writableStream<Uint8Array>();
 * void new Blob(["hello"]).stream().pipeTo(writable);
 * const chunk = await run(receive.receive());
 * console.log(chunk.byteLength); // 5
 * ```
 */
export function writableStream<T>(): [writable: WritableStream<T>, receive: BridgeReceiveStream<T>] {
  let controller: WritableStreamDefaultController | undefined;
  const queue = new UniversalQueue<T>({
    capacity: between,
    wake: "at-once",
    onClose: (reason) => controller?.error(reason),
  });
  // An abort is told to us only once the write under way is over: aborted, that one puts nothing.
  const writable = new WritableStream<T>({
    start(given) {
      controller = given;
    },
    write(item, { signal }) {
      if (queue.size === queue.capacity) return queue.putPromise(item, { signal });
      queue.putNowait(item);
      return undefined;
    },
    close: () => queue.end(),
    abort: (reason) => queue.fail(reason),
  });
  return [writable, receivingEnd(queue)];
}

/**
 * Gives a stream of ours to somebody who wants a web stream. What reads it is a task of the group, so the web stream ends
 * with the group at the latest.
 */
export function toReadable<T>(group: TaskGroup, stream: ObjectReceiveStream<T>): ReadableStream<T> {
  const [send, readable] = readableStream<T>();
  group.startSoon(forward(stream, send));
  return readable;
}
