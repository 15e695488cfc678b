/** Values that belong to a task, or to a run, instead of being passed along. */
import { call } from "./call.ts";
import { UsageError } from "./errors.ts";
import { perform } from "./operation.ts";
import { currentPlace } from "./task.ts";
import type { Coroutine, Operation, Work } from "./types.ts";

interface LocalOptions<T> {
  readonly default?: T;
  readonly name?: string | undefined;
}

function missing(name: string): UsageError {
  return new UsageError(`${name} is not set here and has no default. Set it first, or give it a default.`);
}

/**
 * A value of the current task. A child begins with the values of the task that called `startSoon`; what it sets later is
 * its own. Python's ContextVar.
 */
export class TaskLocal<T> {
  private readonly fallback: { readonly value: T } | undefined;
  readonly name: string;

  constructor(options: LocalOptions<T> = {}) {
    this.fallback = "default" in options ? { value: options.default } : undefined;
    this.name = options.name ?? "This TaskLocal";
  }

  /** @throws UsageError if it is not set and has no default, or outside a task. */
  get(): T {
    const { locals } = currentPlace().task;
    if (locals?.has(this) === true) return locals.get(this) as T;
    if (this.fallback === undefined) throw missing(this.name);
    return this.fallback.value;
  }

  set(value: T): void {
    const { task } = currentPlace();
    task.locals = new Map(task.locals).set(this, value);
  }

  /**
   * Performs the work with another value, and sets back what was there before. The value is the task's: two of these at
   * once in one async body (`Promise.all`) see each other; give each a task of its own.
   */
  with<R>(value: T, work: Work<R>): Operation<R> {
    return perform<this, [T, Work<R>], R>(this, this.doWith, value, work);
  }

  private *doWith<R>(value: T, work: Work<R>): Coroutine<R> {
    const { task } = currentPlace();
    const before = task.locals;
    task.locals = new Map(before).set(this, value);
    try {
      return yield* call<R>(work);
    } finally {
      const after = new Map(task.locals);
      if (before?.has(this) === true) after.set(this, before.get(this));
      else after.delete(this);
      task.locals = after;
    }
  }
}

/** A value of the current run: shared by all its tasks, gone with it. trio's RunVar. */
export class RunLocal<T> {
  private readonly fallback: { readonly value: T } | undefined;
  readonly name: string;

  constructor(options: LocalOptions<T> = {}) {
    this.fallback = "default" in options ? { value: options.default } : undefined;
    this.name = options.name ?? "This RunLocal";
  }

  /** @throws UsageError if it is not set and has no default, or outside a run. */
  get(): T {
    const { locals } = currentPlace().run;
    if (locals.has(this)) return locals.get(this) as T;
    if (this.fallback === undefined) throw missing(this.name);
    return this.fallback.value;
  }

  set(value: T): void {
    currentPlace().run.locals.set(this, value);
  }
}
