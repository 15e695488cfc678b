/** Reading a stream to its end, in generator style. */
import { call } from "./call.ts";
import { isEndOfStream } from "./errors.ts";
import { operation } from "./operation.ts";
import type { Receiver } from "./streams.ts";
import type { Coroutine, Handler, Operation } from "./types.ts";

const readAll = operation(function* forEach(
  stream: Receiver<unknown>,
  body: (item: never) => unknown,
): Coroutine<void> {
  for (;;) {
    let item: unknown;
    try {
      item = yield* stream.receive();
    } catch (error) {
      if (isEndOfStream(error)) return;
      throw error;
    }
    yield* call(body, item);
  }
});

/**
 * Performs the body for each item, one after the other, until the stream ends. Leaves the stream open.
 *
 * ```ts
 * const [send, receive] = memoryStream<string>(1);
 * await send.send("hello");
 * await send.close();
 * await forEach(receive, function* (item) {
 *   console.log(item); // hello
 * });
 * ```
 */
export function forEach<T>(stream: Receiver<T>, body: Handler<[item: T]>): Operation<void> {
  return readAll(stream, body);
}
