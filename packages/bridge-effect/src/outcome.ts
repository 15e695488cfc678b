/** How a fiber ended, in our terms. */
import { TaskCancelled, TaskGroupError } from "@anyloop/core";
import type { Waiter } from "@anyloop/core/lowlevel";
import { Cause, Exit } from "effect";

/** The failures and defects of a cause, as themselves: one alone, several as a TaskGroupError; none if it was interrupted. */
export function errorOf(cause: Cause.Cause<unknown>): { readonly error: unknown } | undefined {
  const errors = cause.reasons.flatMap((reason) =>
    Cause.isFailReason(reason) ? [reason.error] : Cause.isDieReason(reason) ? [reason.defect] : [],
  );
  if (errors.length === 0) return undefined;
  return { error: errors.length === 1 ? errors[0] : new TaskGroupError(errors) };
}

/** An interruption that nobody of ours has asked for. */
export function interruptedElsewhere(cause: Cause.Cause<unknown>): TaskCancelled {
  return new TaskCancelled("The fiber that was waited for was interrupted elsewhere.", Cause.squash(cause));
}

/** Resumes whoever waits for a fiber. An interruption is what asked for it: a cancellation, as a rule. */
export function settle<A>(waiter: Waiter<A>, exit: Exit.Exit<A, unknown>, askedFor: Error | undefined): void {
  if (Exit.isSuccess(exit)) {
    waiter.resume(exit.value);
    return;
  }
  const failure = errorOf(exit.cause);
  if (failure === undefined) waiter.fail(askedFor ?? interruptedElsewhere(exit.cause));
  else waiter.fail(failure.error);
}
