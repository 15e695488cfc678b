/** Work as an operation: what core's own generators yield to run what a user gave them. */
import { refuseWork } from "./body.ts";
import { isOperation } from "./brand.ts";
import { CallOperation } from "./operation.ts";
import type { Operation } from "./types.ts";

type AnyFunction = (...args: never[]) => unknown;

/**
 * An operation is itself; a body is called with the arguments, whichever style it is written in.
 * @throws UsageError for what is neither: it would fail where nobody can tell whose mistake it was.
 */
export function call<T>(work: Operation<T> | AnyFunction, ...args: readonly unknown[]): Operation<T> {
  if (isOperation(work)) return work;
  return typeof work === "function" ? new CallOperation<T>(work, undefined, undefined, args) : refuseWork();
}
