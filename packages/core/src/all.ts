/** Several things at once, all of them. */
import { call } from "./call.ts";
import { isCancelled } from "./errors.ts";
import { operation } from "./operation.ts";
import { type TaskGroup, taskGroup } from "./task-group.ts";
import type { Task } from "./task.ts";
import type { AnyWork, Coroutine, Operation, ResultOf, Work } from "./types.ts";

/** What a list or record of work results in. */
export type Results<W> = { -readonly [K in keyof W]: ResultOf<W[K]> };
/** The same, told as `Promise.allSettled` does. */
export type Settled<W> = { -readonly [K in keyof W]: PromiseSettledResult<ResultOf<W[K]>> };

type Works = Iterable<AnyWork> | Readonly<Record<string, AnyWork>>;

function isIterable(work: Works): work is Iterable<AnyWork> {
  return Symbol.iterator in work;
}

function* startAll(group: TaskGroup, works: readonly AnyWork[]): Coroutine<Task<unknown>[]> {
  return works.map((work) => group.startSoon(work as Work<unknown>));
}

const performAll = operation(function* all(work: Works): Coroutine<unknown> {
  const works = isIterable(work) ? [...work] : Object.values(work);
  const tasks = yield* taskGroup((group) => startAll(group, works), { name: "all" });
  const values = tasks.map((task) => task.value);
  if (isIterable(work)) return values;
  return Object.fromEntries(Object.keys(work).map((key, index) => [key, values[index]]));
});

/**
 * Performs everything at once and gives the results in the order of the arguments, or under their keys. The first that
 * fails cancels the others.
 *
 * ```ts
 * const { a, b } = await all({
 *   a: async () => 1,
 *   b: function* () {
 *     yield* sleep(1);
 *     return "two";
 *   },
 * });
 * console.log(a, b); // 1 two
 * ```
 *
 * @throws the error of the one that failed; a TaskGroupError of several.
 */
export function all<const W extends readonly AnyWork[]>(work: W): Operation<Results<W>>;
export function all<W extends AnyWork>(work: Iterable<W>): Operation<ResultOf<W>[]>;
export function all<W extends Readonly<Record<string, AnyWork>>>(work: W): Operation<Results<W>>;
export function all(work: Works): Operation<unknown> {
  return performAll(work);
}

const settle = operation(function* settle(work: AnyWork): Coroutine<PromiseSettledResult<unknown>> {
  try {
    return { status: "fulfilled", value: yield* call(work) };
  } catch (error) {
    if (isCancelled(error)) throw error;
    return { status: "rejected", reason: error };
  }
});

/** Performs everything at once to its end, and tells of each whether it failed. Never throws an error of the work. */
export function allSettled<const W extends readonly AnyWork[]>(work: W): Operation<Settled<W>>;
export function allSettled<W extends AnyWork>(
  work: Iterable<W>,
): Operation<PromiseSettledResult<ResultOf<W>>[]>;
export function allSettled(work: Iterable<AnyWork>): Operation<unknown> {
  return performAll(Array.from(work, (one) => settle(one)));
}
