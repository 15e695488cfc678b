/** From stream to stream: how a stream that exists already goes over a bridge. */
import {
  BrokenResourceError,
  type Coroutine,
  EndOfStream,
  isCancelled,
  type Operation,
  operation,
  type ObjectReceiveStream,
  shield,
} from "@anyloop/core";
import type { BridgeSendStream } from "./ends.ts";
import { reasonOf } from "./foreign-end.ts";

type Anything = ObjectReceiveStream<unknown>;

function* pump(from: Anything, to: BridgeSendStream<unknown>): Coroutine<void> {
  for (;;) {
    let item: unknown;
    try {
      item = yield* from.receive();
    } catch (error) {
      if (isCancelled(error)) throw error;
      if (error instanceof EndOfStream) yield* to.close();
      else to.fail(error);
      return;
    }
    yield* to.send(item);
  }
}

const performForward = operation(function* forward(
  from: Anything,
  to: BridgeSendStream<unknown>,
): Coroutine<void> {
  try {
    yield* pump(from, to);
  } catch (error) {
    // Nobody wants more: that is an end, not a failure. Whoever feeds `from` learns of it by its close.
    if (!(error instanceof BrokenResourceError)) {
      to.fail(reasonOf(error));
      throw error;
    }
  } finally {
    yield* shield(from.close());
  }
});

/**
 * Takes what comes out of one stream into another, one item at a time, until either ends; closes both. A failure of
 * `from` is told to the other side of `to`; cancelled, that side is told RunFinishedError.
 *
 * ```ts
 * const [send, receive] = memoryStream<number>(2);
 * send.sendNowait(1);
 * const queue = new UniversalQueue<number>();
 * await run(
 *   taskGroup(function* (group) {
 *     group.startSoon(forward(receive, sendingEnd(queue)));
 *     console.log(yield* fromPromise(queue.getPromise())); // 1
 *     yield* send.close();
 *   }),
 * );
 * ```
 */
export function forward<T>(from: ObjectReceiveStream<T>, to: BridgeSendStream<T>): Operation<void> {
  return performForward(from, to as BridgeSendStream<unknown>);
}
