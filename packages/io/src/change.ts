/**
 * Where tasks wait for a callback of the host.
 *
 * Invariant: it carries no value. Whoever is woken looks at the state again and takes what is there in that very step, so
 * a cancellation on the way loses nothing. Whoever stops waiting leaves nothing behind, however often he comes again:
 * waiting with a time limit in a loop costs no memory, as the reactions of a promise would.
 */
import type { Operation } from "@anyloop/core";
import { suspendOnHost } from "@anyloop/core/lowlevel";

export class Change {
  private readonly watchers = new Set<() => void>();

  /** Whether anybody would be told. */
  get isWatched(): boolean {
    return this.watchers.size > 0;
  }

  /** Tells everybody; tasks may go on before this returns. A listener as it is. */
  readonly happened = (): void => {
    for (const watcher of Array.from(this.watchers)) {
      // One that was told before may have ended this one's wait, and whoever begins to wait waits for the next.
      if (this.watchers.has(watcher)) watcher();
    }
  };

  /** Calls back at every change, until the function that it gives is called. */
  watch(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => void this.watchers.delete(watcher);
  }

  /** Waits for the next change; cancelling stops the waiting and nothing else. */
  next(): Operation<void> {
    return suspendOnHost((waiter) => {
      const end = this.watch(() => {
        end();
        waiter.resume();
      });
      return () => {
        end();
        return true;
      };
    });
  }
}
