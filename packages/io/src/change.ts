/**
 * Where tasks wait for a callback of the host.
 *
 * Invariant: it carries no value. Whoever is woken looks at the state again and takes what is there in that very step, so
 * a cancellation on the way loses nothing. It waits for a promise, which tells the loop that the host owes a wake-up:
 * virtual time stands still meanwhile, and a run that waits is no deadlock.
 */
import { fromPromise, type Operation } from "@anyloop/core";

export class Change {
  private tell: (() => void) | undefined = undefined;
  private promise: Promise<void> | undefined = undefined;

  /** Wakes everybody who waits. A listener as it is. */
  readonly happened = (): void => {
    const { tell } = this;
    this.tell = undefined;
    this.promise = undefined;
    tell?.();
  };

  /** Waits for the next change; cancelling stops the waiting and nothing else. */
  next(): Operation<void> {
    this.promise ??= new Promise((resolve) => {
      this.tell = resolve;
    });
    return fromPromise(this.promise);
  }
}
