/** A stream made by a body of its own. trio's `as_safe_channel`. */
import { call } from "./call.ts";
import { BrokenResourceError } from "./errors.ts";
import { type MemorySendStream, memoryStream } from "./memory-stream.ts";
import { operation } from "./operation.ts";
import { shield } from "./scope.ts";
import type { ReceiveStream } from "./streams.ts";
import { type TaskGroup, taskGroup } from "./task-group.ts";
import type { Body, Coroutine, Handler, Operation } from "./types.ts";

/** Hands an item to the reader, and waits until it has been taken. */
export type Emit<T> = (item: T) => Operation<void>;

type AnyFunction = (...args: never[]) => unknown;

const produce = operation(function* generate(
  source: AnyFunction,
  send: MemorySendStream<unknown>,
): Coroutine<void> {
  const emit: Emit<unknown> = (item) => send.send(item);
  try {
    yield* call(source, emit);
  } catch (error) {
    // The reader closed the stream: it wants no more, and that is how the source learns of it.
    if (!(error instanceof BrokenResourceError && send.statistics().openReceiveStreams === 0)) throw error;
  } finally {
    // Cancelled or not, what the source threw must not be replaced.
    yield* shield(send.close());
  }
});

function* consume(group: TaskGroup, source: AnyFunction, body: AnyFunction): Coroutine<unknown> {
  const [send, receive] = memoryStream<unknown>();
  group.startSoon(produce(source, send), { daemon: true });
  return yield* call(body, receive);
}

const performGenerate = operation(function* generate(
  source: AnyFunction,
  body: AnyFunction,
): Coroutine<unknown> {
  return yield* taskGroup((group) => consume(group, source, body), { name: "generate" });
});

/**
 * Runs the source in a task of its own, as long as the body reads what it emits. Unlike an async generator it can hold
 * scopes and groups open between two items, and it is ended with the body.
 *
 * ```ts
 * const sum = await generate<number, number>(
 *   function* (emit) {
 *     for (const item of [1, 2, 3]) yield* emit(item);
 *   },
 *   async (stream) => {
 *     let total = 0;
 *     for await (const item of stream) total += item;
 *     return total;
 *   },
 * );
 * console.log(sum); // 6
 * ```
 */
export function generate<T, R>(
  source: Handler<[emit: Emit<T>]>,
  body: Body<R, [stream: ReceiveStream<T>]>,
): Operation<R> {
  return performGenerate(source, body) as Operation<R>;
}
