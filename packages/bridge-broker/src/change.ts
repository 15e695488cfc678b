/**
 * Where tasks wait for a callback of a client library.
 *
 * Invariant: it carries no value. Whoever is woken looks again and takes what is there in that very step, so a
 * cancellation on the way loses nothing. A promise is waited for, not a parking lot: it tells the loop that the host owes
 * a wake-up, so virtual time stands still meanwhile and a run that waits is no deadlock.
 */
import { fromPromise, type Operation } from "@anyloop/core";

export class Change {
  private wake: (() => void) | undefined = undefined;
  private promise: Promise<void> | undefined = undefined;

  /** Wakes everybody who waits. */
  happened(): void {
    const { wake } = this;
    this.wake = undefined;
    this.promise = undefined;
    wake?.();
  }

  /** Waits for the next change. */
  next(): Operation<void> {
    return fromPromise(this.nextPromise());
  }

  /** For code of the client's side: settles with the next change, or when the signal is aborted. */
  async changeOrAbort(signal: AbortSignal | undefined): Promise<void> {
    let stop = (): void => {};
    const aborted = new Promise<void>((resolve) => (stop = resolve));
    signal?.addEventListener("abort", stop);
    await Promise.race([this.nextPromise(), aborted]);
    signal?.removeEventListener("abort", stop);
  }

  private nextPromise(): Promise<void> {
    return (this.promise ??= new Promise((resolve) => {
      this.wake = resolve;
    }));
  }
}
