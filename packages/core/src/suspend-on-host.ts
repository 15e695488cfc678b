/** `suspend` for what the host will resume: the calls that I/O makes once in a while. What it makes often is a `HostLeaf`. */
import { type Cancelled, UsageError } from "./errors.ts";
import { HostLeaf } from "./leaf.ts";
import type { Strand } from "./strand.ts";
import type { AbortFn, Waiter } from "./suspend.ts";
import type { Operation } from "./types.ts";

type Start<T> = (waiter: Waiter<T>) => AbortFn | void;

class HostSuspension<T> extends HostLeaf<T> implements Waiter<T> {
  readonly label: string;
  private readonly register: Start<T>;
  private abortFn: AbortFn | undefined = undefined;

  constructor(start: Start<T>) {
    super();
    this.register = start;
    this.label = start.name === "" ? "the host" : start.name;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const parked = this.park(strand);
    this.abortFn = undefined;
    try {
      const abortFn = this.register(this);
      if (typeof abortFn === "function") this.abortFn = abortFn;
    } catch (error) {
      if (this.strand !== undefined) this.fail(error);
      else strand.run.crash(error, `The start function of ${this.label} threw after it had resumed`);
    }
    // Cancelled by `start` itself, before there was anything to ask.
    if (strand.node.pending !== undefined) this.interrupt(strand.node.pending);
    return parked;
  }

  protected abort(cancelled: Cancelled): boolean {
    const { abortFn } = this;
    this.abortFn = undefined;
    return abortFn !== undefined && abortFn(cancelled);
  }
}

/**
 * `suspend` for what the host will resume: I/O. Until then the run is held: a virtual clock stands still, and no deadlock
 * is told. Resumed from a callback of the host, the task may go on before `resume` returns: call it last.
 *
 * ```ts
 * const turn = (): Operation<void> =>
 *   suspendOnHost((waiter) => {
 *     const handle = setImmediate(() => waiter.resume());
 *     return () => {
 *       clearImmediate(handle);
 *       return true;
 *     };
 *   });
 * await turn();
 * ```
 */
export function suspendOnHost<T = void>(start: (waiter: Waiter<T>) => AbortFn | void): Operation<T> {
  if (typeof start !== "function") {
    throw new UsageError("suspendOnHost() takes a function (waiter) => abort function.");
  }
  return new HostSuspension<T>(start);
}
