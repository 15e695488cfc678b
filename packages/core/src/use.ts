/**
 * A resource for the length of a body.
 *
 * Invariant: it is closed exactly once, however the body ended, and neither the body's error nor that of closing is lost.
 */
import { isOperation, isThenable } from "./brand.ts";
import { call } from "./call.ts";
import { isCancelled, UsageError } from "./errors.ts";
import { fromPromise } from "./from-promise.ts";
import { operation } from "./operation.ts";
import { shield } from "./scope.ts";
import type { Body, Coroutine, Operation } from "./types.ts";

/** What `use` can close: by `Symbol.asyncDispose`, else `close`, else `Symbol.dispose`. */
export type Closeable = { close(): unknown } | AsyncDisposable | Disposable;

interface AnyCloseable {
  [Symbol.asyncDispose]?: () => unknown;
  close?: () => unknown;
  [Symbol.dispose]?: () => unknown;
}

function closerOf(resource: unknown): () => unknown {
  const { [Symbol.asyncDispose]: asyncDispose, close, [Symbol.dispose]: dispose } = resource as AnyCloseable;
  const closer = asyncDispose ?? close ?? dispose;
  if (typeof closer !== "function") {
    throw new UsageError(
      "use() takes something that can be closed: with close(), Symbol.asyncDispose or Symbol.dispose.",
    );
  }
  return () => Reflect.apply<unknown, [], unknown>(closer, resource, []);
}

const closeWith = operation(function* closeResource(closer: () => unknown) {
  const closing = closer();
  if (isOperation(closing)) yield* closing;
  // Somebody else's promise knows nothing of our cancellation: without the shield it would not be waited for.
  else if (isThenable(closing)) yield* shield(fromPromise(closing));
});

const useResource = operation(function* useResource(
  resource: unknown,
  body: (resource: never) => unknown,
): Coroutine<unknown> {
  const opened: unknown = isOperation(resource) ? yield* resource : resource;
  const closer = closerOf(opened);
  let value: unknown;
  try {
    value = yield* call(body, opened);
  } catch (error) {
    yield* closeAfter(closer, error);
  }
  yield* closeWith(closer);
  return value;
});

/** What is told when both failed: a cancellation says nothing that the other does not. */
function both(error: unknown, closeError: unknown): unknown {
  if (isCancelled(closeError)) return error;
  if (isCancelled(error)) return closeError;
  return new AggregateError([error, closeError], "The body failed, and so did closing what it used.", {
    cause: error,
  });
}

/** Closes after the body failed, and throws what is to be told. */
function* closeAfter(closer: () => unknown, error: unknown): Coroutine<never> {
  try {
    yield* closeWith(closer);
  } catch (closeError) {
    throw both(error, closeError);
  }
  throw error;
}

/**
 * Performs the body with a resource and closes it. Given an operation, opens it first.
 *
 * ```ts
 * await use(memoryStream<number>(1)[0], function* (send) {
 *   yield* send.send(1);
 * });
 * ```
 *
 * @throws what the body throws; what closing throws; if both did, an AggregateError of the two.
 */
export function use<R extends Closeable, T>(
  resource: R | Operation<R>,
  body: Body<T, [resource: R]>,
): Operation<T> {
  return useResource(resource, body) as Operation<T>;
}
