/** The shapes a user writes and reads in signatures: operations, bodies and what they result in. */

declare const instruction: unique symbol;

/** What a task and its loop say to each other. Opaque: only `yield*` on an operation produces it. */
export interface Instruction {
  readonly [instruction]: "yield* it, do not yield it";
}

/**
 * Something that can be done, not yet begun. `yield*` performs it in the current task, each time it is yielded;
 * `await` performs it once. Promise-shaped, so that it passes where a promise is asked for and a linter sees a
 * forgotten `await`.
 */
export interface Operation<out T> extends Promise<T> {
  [Symbol.iterator](): Iterator<Instruction, T, unknown>;
}

/** What a `function*` body returns. */
export type Coroutine<T> = Generator<Instruction, T, unknown>;

/** A function that a task can run: a generator function, an async function or a plain one. */
export type Body<T, A extends readonly unknown[] = []> = (...args: A) => Coroutine<T> | PromiseLike<T> | T;

/** A body whose result nobody reads. */
export type Handler<A extends readonly unknown[] = []> = (
  ...args: A
) => Coroutine<unknown> | PromiseLike<unknown> | void;

/** What can be run as a task: an operation or a body without arguments. */
export type Work<T> = Operation<T> | Body<T>;

/** Work of any result. */
export type AnyWork = Operation<unknown> | Handler;

/** What a piece of work results in. */
export type ResultOf<W> =
  W extends Operation<infer T>
    ? T
    : W extends () => infer R
      ? R extends Coroutine<infer T>
        ? T
        : Awaited<R>
      : never;

/** Options of whatever makes something that shows up in traces. */
export interface NameOptions {
  /** Shown in traces and reports instead of the function's name. */
  readonly name?: string | undefined;
}
