/**
 * Cancellations among several errors. `Promise.any` wraps what ended it, and so may code that gathers errors by itself.
 *
 * Invariant: a cancellation that belongs here is never taken for an error because it came in company, and no error is
 * dropped because cancellations came with it.
 */
import type { CancelNode } from "./cancel-tree.ts";
import { errorsOf, isCancelled } from "./errors.ts";

/** The real errors of an AggregateError; the cancellation, if there was nothing else; anything else as it is. */
export function withoutCancellations(error: unknown, place: CancelNode): unknown {
  // The usual answers first: a storm of cancellations passes here.
  if (isCancelled(error) || !(error instanceof AggregateError)) return error;
  const all = errorsOf(error);
  const errors = all.filter((one) => !(isCancelled(one) && place.isWithin(one)));
  if (errors.length === all.length) return error;
  if (errors.length > 1) return new AggregateError(errors, error.message, { cause: errors[0] });
  return errors.length === 1 ? errors[0] : all[0];
}
