/** Streams of ours, as theirs. */
import { type BridgeSendStream, failureOf, forward, sendingEnd, UniversalQueue } from "@anyloop/bridge";
import { ClosedResourceError, type ObjectReceiveStream, type TaskGroup } from "@anyloop/core";
import { Cause, Effect, type Pull, Stream } from "effect";

/** Items that wait between the two ends: enough that each side works for a while before the other has its turn. */
const between = 16;

type Chunk<A> = readonly [A, ...A[]];

function gather<A>(queue: UniversalQueue<A>, first: A): Chunk<A> {
  const chunk: [A, ...A[]] = [first];
  for (let left = queue.size; left > 0; left--) chunk.push(queue.getNowait());
  return chunk;
}

/** Everything that is there, at least one item. */
function takeChunk<A>(queue: UniversalQueue<A>): Pull.Pull<Chunk<A>, unknown> {
  return Effect.callback<Chunk<A>, unknown>((resume) => {
    const withdraw = queue.getWith({
      // Gathered a turn of the fiber's later: by then there is more than the one item that woke it.
      resume: (item) => resume(Effect.andThen(Effect.yieldNow, () => Effect.sync(() => gather(queue, item)))),
      fail(error) {
        const failure = failureOf(error);
        resume(failure === undefined ? Cause.done() : Effect.fail(failure.error));
      },
    });
    return Effect.sync(() => void withdraw());
  });
}

/**
 * What is sent into the first comes out of the second, once. When the stream is done with or interrupted, the sender is
 * broken. What `fail` is given is the failure of the stream: `Stream.mapError` makes it typed.
 *
 * ```ts
 * import { Effect, Stream } from "effect";
 * import { run } from "anyloop";
 * import { stream } from "@anyloop/bridge-effect";
 *
 * const [send, numbers] = stream<number>();
 * void run(function* () {
 *   for (const number of [1, 2, 3]) yield* send.send(number);
 *   yield* send.close();
 * });
 * console.log(await Effect.runPromise(Stream.runCollect(numbers))); // [ 1, 2, 3 ]
 * ```
 */
export function stream<A>(): [send: BridgeSendStream<A>, stream: Stream.Stream<A, unknown>] {
  const queue = new UniversalQueue<A>({ capacity: between });
  const close = Effect.sync(() => queue.close(new ClosedResourceError("The Effect stream has been left.")));
  const taken = Stream.fromPull(Effect.succeed(takeChunk(queue)));
  return [sendingEnd(queue), Stream.ensuring(taken, close)];
}

/**
 * Gives a stream of ours to somebody who wants one of Effect. What reads it is a task of the group, so theirs ends with
 * the group at the latest.
 */
export function toStream<A>(group: TaskGroup, from: ObjectReceiveStream<A>): Stream.Stream<A, unknown> {
  const [send, taken] = stream<A>();
  group.startSoon(forward(from, send));
  return taken;
}
