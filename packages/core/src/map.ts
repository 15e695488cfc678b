/** The same for many items, so many at a time. */
import { isOperation, isThenable } from "./brand.ts";
import { call } from "./call.ts";
import { UsageError } from "./errors.ts";
import { fromPromise } from "./from-promise.ts";
import type { Held } from "./grant.ts";
import { operation } from "./operation.ts";
import { shield } from "./scope.ts";
import { Semaphore } from "./semaphore.ts";
import { type TaskGroup, taskGroup } from "./task-group.ts";
import type { Body, Coroutine, Operation } from "./types.ts";

type Items = Iterable<unknown> | AsyncIterable<unknown>;
type AnyBody = (item: never, index: number) => unknown;
type Iteration = IteratorResult<unknown, unknown>;

const work = operation(function* mapItem(
  body: AnyBody,
  item: unknown,
  index: number,
  results: unknown[],
  held: Held | undefined,
) {
  try {
    results[index] = yield* call(body, item, index);
  } finally {
    held?.release();
  }
});

function iteratorOf(items: Items): Iterator<unknown> | AsyncIterator<unknown> {
  return Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
}

/**
 * What the iterator's method gives: a value, a promise or an operation. An async generator runs code of its own that
 * awaits: called in a frame of this task, it may perform operations, and they are cancelled with the task.
 */
function ask(iterator: Iterator<unknown> | AsyncIterator<unknown>, method: "next" | "return"): unknown {
  const isGenerator = Object.prototype.toString.call(iterator) === "[object AsyncGenerator]";
  return isGenerator
    ? fromPromise(() => (iterator as AsyncGenerator)[method](undefined))
    : iterator[method]?.();
}

/** Ends an iteration before its end. What it has to clean up is waited for, cancelled or not. */
function* closeIterator(iterator: Iterator<unknown> | AsyncIterator<unknown>): Coroutine<void> {
  const closing = ask(iterator, "return");
  if (isOperation(closing)) yield* shield(closing);
  else if (isThenable(closing)) yield* shield(fromPromise(closing));
}

function* startEach(
  group: TaskGroup,
  items: Items,
  body: AnyBody,
  limit: number,
  results: unknown[],
): Coroutine<void> {
  const permits = limit === Infinity ? undefined : new Semaphore(limit);
  const iterator = iteratorOf(items);
  let isDone = false;
  try {
    for (let index = 0; ; index++) {
      // Room first, item second: an item that was pulled is always worked on.
      const held = permits === undefined ? undefined : yield* permits.acquire();
      const pulled = ask(iterator, "next");
      const next: Iteration = isOperation(pulled)
        ? ((yield* pulled) as Iteration)
        : isThenable(pulled)
          ? yield* fromPromise(pulled as PromiseLike<Iteration>)
          : (pulled as Iteration);
      if (next.done === true) {
        isDone = true;
        held?.release();
        return;
      }
      group.startSoon(work(body, next.value, index, results, held));
    }
  } finally {
    if (!isDone) yield* closeIterator(iterator);
  }
}

const performMap = operation(function* map(items: Items, body: AnyBody, limit: number): Coroutine<unknown[]> {
  const results: unknown[] = [];
  yield* taskGroup((group) => startEach(group, items, body, limit, results), { name: "map" });
  return results;
});

/**
 * Performs the body for each item, at most `limit` at a time, and gives the results in the order of the items. Items are
 * pulled only when there is room. The first that fails cancels the others.
 *
 * ```ts
 * const doubled = await map([1, 2, 3], async (item) => item * 2, { limit: 2 });
 * console.log(doubled); // [ 2, 4, 6 ]
 * ```
 *
 * @throws UsageError unless `limit` is a whole number, 1 or more, or Infinity.
 */
export function map<I, T>(
  items: Iterable<I> | AsyncIterable<I>,
  body: Body<T, [item: I, index: number]>,
  options: { readonly limit?: number | undefined } = {},
): Operation<T[]> {
  const limit = options.limit ?? Infinity;
  if (limit !== Infinity && !(Number.isInteger(limit) && limit >= 1)) {
    throw new UsageError(`The limit is ${String(limit)}. Give a whole number, 1 or more, or Infinity.`);
  }
  return performMap(items, body, limit) as Operation<T[]>;
}
