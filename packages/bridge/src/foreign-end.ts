/** Errors as the foreign side is to see them. */
import { BrokenResourceError, EndOfStream, isCancelled, RunFinishedError } from "@anyloop/core";

/** What the error of a `get` says about our side: its failure, as itself; undefined if that was an orderly end. */
export function failureOf(error: unknown): { readonly error: unknown } | undefined {
  if (error instanceof EndOfStream) return undefined;
  return { error: error instanceof BrokenResourceError ? (error.cause ?? error) : error };
}

/** Why work of ours ended, for whoever is outside: a cancellation means nothing there, the end of the work does. */
export function reasonOf(error: unknown): unknown {
  if (!isCancelled(error)) return error;
  return new RunFinishedError(
    "What worked on this was cancelled: nothing more comes, and nothing more is taken.",
  );
}
