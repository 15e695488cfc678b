/** A semaphore: so many at a time, in order of arrival. */
import { UsageError } from "./errors.ts";
import { type Claim, Grantable, type Held } from "./grant.ts";
import type { Operation } from "./types.ts";

export interface SemaphoreStatistics {
  readonly tasksWaiting: number;
}

/** From anyio. Unlike a lock's, its permits may be released by anybody. */
export class Semaphore extends Grantable<Held> {
  get label(): string {
    return "a semaphore";
  }

  private free: number;
  /** Never more free permits than this. */
  readonly max: number | undefined;

  /** @throws UsageError unless `permits` is a whole number, 0 or more, and at most `max`. */
  constructor(permits: number, options: { readonly max?: number | undefined } = {}) {
    super();
    if (!Number.isInteger(permits) || permits < 0) {
      throw new UsageError(
        `A semaphore of ${String(permits)} permits cannot be. Give a whole number, 0 or more.`,
      );
    }
    const { max } = options;
    if (max !== undefined && max !== Infinity && !Number.isInteger(max)) {
      throw new UsageError(`max is ${String(max)}. Give a whole number, or Infinity.`);
    }
    if (max !== undefined && permits > max) {
      throw new UsageError(`max is ${max}, less than the ${String(permits)} permits there are. Raise it.`);
    }
    this.free = permits;
    this.max = max;
  }

  /** Permits that can be had without waiting. */
  get value(): number {
    return this.free;
  }

  /** Waits for a permit and takes it. */
  acquire(): Operation<Held> {
    return this.grantLater(undefined);
  }

  /** @throws WouldBlock if no permit is free. */
  acquireNowait(): Held {
    return this.grantNowait(undefined);
  }

  /** Adds a permit. @throws UsageError beyond `max`. */
  release(): void {
    if (this.max !== undefined && this.free >= this.max) {
      throw new UsageError("The semaphore was released more often than acquired: all permits are free.");
    }
    this.free++;
    this.serve();
  }

  statistics(): SemaphoreStatistics {
    return { tasksWaiting: this.line.size };
  }

  protected check(): void {
    // Anybody may ask for a permit.
  }

  protected tryGrant(_claim: Claim): Held | undefined {
    if (this.free === 0) return undefined;
    this.free--;
    return new Permit(this);
  }

  /** @internal */
  waits(): void {
    // A permit has no owner whose end would matter.
  }
}

class Permit implements Held {
  private semaphore: Semaphore | undefined;

  constructor(semaphore: Semaphore) {
    this.semaphore = semaphore;
  }

  release(): void {
    const { semaphore } = this;
    this.semaphore = undefined;
    semaphore?.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
