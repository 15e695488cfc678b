/** An operation of effection's as one of ours: a task of theirs under a scope of ours. */
import { type Cancelled, type Operation, TaskCancelled } from "@anyloop/core";
import { suspendOnHost } from "@anyloop/core/lowlevel";
import { global as globalScope, type Operation as Effection, type Scope } from "effection";
import { Performing } from "./performing.ts";

/**
 * Performs an operation of effection's in a task of its own and waits for it. Cancelling halts the task and waits until it
 * has been torn down. Without a scope the task runs in effection's global one.
 *
 * ```ts
 * import { sleep } from "effection";
 * import { run } from "anyloop";
 * import { fromEffection } from "@anyloop/bridge-effection";
 *
 * const answer = fromEffection(function* () {
 *   yield* sleep(1);
 *   return 42;
 * });
 * console.log(await run(answer)); // 42
 * ```
 *
 * @throws what the operation throws, as itself; TaskCancelled if somebody else halted the task.
 */
export function fromEffection<T>(operation: () => Effection<T>, scope: Scope = globalScope): Operation<T> {
  return suspendOnHost<T>((waiter) => {
    let cancelled: Cancelled | undefined;
    const performing = new Performing(scope, operation, (outcome) => {
      if (outcome === undefined) waiter.fail(cancelled ?? haltedElsewhere());
      else if (outcome.failed) waiter.fail(outcome.value);
      else waiter.resume(outcome.value as T);
    });
    return (given) => {
      cancelled = given;
      // What goes wrong on the way is the outcome.
      performing.halt().catch(() => {});
      return false;
    };
  });
}

function haltedElsewhere(): TaskCancelled {
  return new TaskCancelled("The task of effection that was waited for was halted elsewhere.", undefined);
}
