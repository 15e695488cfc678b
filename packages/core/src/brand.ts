/** How operations are known, also those of another copy of core. */
import type { Operation } from "./types.ts";

export const operationBrand: unique symbol = Symbol.for("anyloop.operation.1") as never;

/** On operations that do something themselves, instead of calling others. */
export const leafBrand: unique symbol = Symbol.for("anyloop.leaf.1") as never;

/** Whether a value is an operation: something to `yield*` or `await`. */
export function isOperation(value: unknown): value is Operation<unknown> {
  return typeof value === "object" && value !== null && operationBrand in value;
}

export function isLeaf(value: unknown): boolean {
  return isOperation(value) && leafBrand in value;
}

/** Whether a value has a `then`, as promises do. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
  );
}
