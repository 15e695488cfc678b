/** Several things at once, in the order in which they are done. */
import { call } from "./call.ts";
import { type MemorySendStream, memoryStream } from "./memory-stream.ts";
import { operation } from "./operation.ts";
import { shield } from "./scope.ts";
import type { ReceiveStream } from "./streams.ts";
import { type TaskGroup, taskGroup } from "./task-group.ts";
import type { AnyWork, Body, Coroutine, Operation, ResultOf } from "./types.ts";

type AnyBody = (results: never) => unknown;

const deliver = operation(function* deliver(
  work: AnyWork,
  results: MemorySendStream<unknown>,
): Coroutine<void> {
  try {
    const value = yield* call(work);
    // The reader may have gone: then nobody wants the result.
    if (results.statistics().openReceiveStreams > 0) results.sendNowait(value);
  } finally {
    // Cancelled or not, what the work threw must not be replaced.
    yield* shield(results.close());
  }
});

function* read(group: TaskGroup, works: readonly AnyWork[], body: AnyBody): Coroutine<unknown> {
  const [send, receive] = memoryStream<unknown>(Infinity);
  for (const work of works) group.startSoon(deliver(work, send.clone()));
  yield* send.close();
  const value = yield* call(body, receive);
  group.cancel("the body has read what it wanted");
  return value;
}

const performAsCompleted = operation(function* asCompleted(
  works: readonly AnyWork[],
  body: AnyBody,
): Coroutine<unknown> {
  return yield* taskGroup((group) => read(group, works, body), { name: "asCompleted" });
});

/**
 * Performs everything at once and gives the body a stream of results, in order of completion. What still runs when the
 * body ends is cancelled; the first that fails cancels the body.
 *
 * ```ts
 * const order = await asCompleted([sleep(2), async () => "first"], async (results) => {
 *   for await (const result of results) return result;
 * });
 * console.log(order); // first
 * ```
 */
export function asCompleted<W extends AnyWork, T>(
  work: Iterable<W>,
  body: Body<T, [results: ReceiveStream<ResultOf<W>>]>,
): Operation<T> {
  return performAsCompleted([...work], body) as Operation<T>;
}
