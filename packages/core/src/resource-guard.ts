/** Keeps two tasks from doing at once what only one may do: it does not wait, it says so. From anyio. */
import { BusyResourceError } from "./errors.ts";

/**
 * ```ts
 * const reading = new ResourceGuard("reading from");
 * const entered = reading.enter();
 * try {
 *   reading.enter();
 * } catch (error) {
 *   console.log((error as Error).name); // BusyResourceError
 * } finally {
 *   entered[Symbol.dispose]();
 * }
 * ```
 */
export class ResourceGuard {
  private readonly action: string;
  private busy = false;

  /** `action` completes the sentence "Another task is already … this resource". */
  constructor(action = "using") {
    this.action = action;
  }

  /** Enters; dispose of what it gives to leave. @throws BusyResourceError while another is inside. */
  enter(): Disposable {
    if (this.busy) throw new BusyResourceError(this.action);
    this.busy = true;
    let inside = true;
    return {
      [Symbol.dispose]: () => {
        if (inside) this.busy = false;
        inside = false;
      },
    };
  }
}
