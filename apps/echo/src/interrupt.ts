/**
 * Ctrl+C: the first asks the work to stop and lets it clean up, the second does not wait for that.
 *
 * Invariant: the process has our listener only while the work runs, so at any other time Ctrl+C does what it always does.
 */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** What a shell gives a program that SIGINT ended. */
export const interruptedExitCode = 130;

/** Runs the work with a signal that the first SIGINT aborts; its reason is an `Interrupted`. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSigint = (): void => {
    if (controller.signal.aborted) process.exit(interruptedExitCode);
    controller.abort(new Interrupted());
  };
  process.on("SIGINT", onSigint);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", onSigint);
  }
}
