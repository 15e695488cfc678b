/**
 * Deadlock on a real host: told when the process has nothing left to do though runs are alive.
 *
 * Invariant: as long as the host owes any run of any kernel a wake-up the process is kept alive instead; only when it
 * owes none can nobody wake us.
 */
import type { Host } from "./host.ts";

interface Watched {
  readonly isHeld: boolean;
  reportDeadlock(): void;
}

const watched = new Set<Watched>();

/** Milliseconds between two looks at whether something is still owed. */
const look = 50;

let unlisten: (() => void) | undefined;

function onIdle(host: Host): void {
  const kernels = [...watched];
  // A timer keeps the process; once it is over the process is idle again, and is asked again.
  if (kernels.some((kernel) => kernel.isHeld)) host.timer(look, () => {});
  else for (const kernel of kernels) kernel.reportDeadlock();
}

/** Watches a kernel that has runs, through one listener for all of them; gives what ends it. */
export function watchProcess(host: Host, kernel: Watched): () => void {
  watched.add(kernel);
  unlisten ??= host.idle?.(() => onIdle(host));
  return () => {
    watched.delete(kernel);
    if (watched.size > 0) return;
    unlisten?.();
    unlisten = undefined;
  };
}
