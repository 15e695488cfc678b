/** A capacity limiter: so many tokens, which may become more or fewer while they are borrowed. */
import { UsageError } from "./errors.ts";
import { callingTask, type Claim, Grantable, type Held, notHeld } from "./grant.ts";
import type { Operation } from "./types.ts";

export interface CapacityLimiterStatistics {
  readonly borrowedTokens: number;
  readonly totalTokens: number;
  /** On whose behalf tokens are borrowed: keys, or tasks. */
  readonly borrowers: readonly unknown[];
  readonly tasksWaiting: number;
}

/** From anyio and trio. A token is borrowed for each guard; on behalf of one key only one at a time. */
export class CapacityLimiter extends Grantable<Held> {
  get label(): string {
    return "a token of a limiter";
  }

  private total: number;
  private readonly borrowed = new Set<Token>();
  private readonly keys = new Map<unknown, Token>();

  /** @throws UsageError unless `totalTokens` is a whole number, 0 or more, or Infinity. */
  constructor(totalTokens: number) {
    super();
    this.total = checkTokens(totalTokens);
  }

  get totalTokens(): number {
    return this.total;
  }

  /** More tokens let those who wait go on; fewer are reached as borrowed ones come back. */
  set totalTokens(totalTokens: number) {
    this.total = checkTokens(totalTokens);
    this.serve();
  }

  get borrowedTokens(): number {
    return this.borrowed.size;
  }

  get availableTokens(): number {
    return Math.max(0, this.total - this.borrowed.size);
  }

  acquire(): Operation<Held> {
    return this.grantLater(undefined);
  }

  /** @throws WouldBlock if no token is free. */
  acquireNowait(): Held {
    return this.grantNowait(undefined);
  }

  /** @throws UsageError if the key holds or awaits a token already. */
  acquireOnBehalfOf(key: unknown): Operation<Held> {
    return this.grantLater(checkKey(key));
  }

  acquireOnBehalfOfNowait(key: unknown): Held {
    return this.grantNowait(checkKey(key));
  }

  /** Gives back a token that the current task borrowed. @throws UsageError if it has none. */
  release(): void {
    const task = callingTask();
    const mine = this.firstBorrowedBy(task);
    if (mine === undefined) throw notHeld("A token of the limiter");
    mine.release();
  }

  /** @throws UsageError if the key has no token. */
  releaseOnBehalfOf(key: unknown): void {
    const token = this.keys.get(key);
    if (token === undefined) throw notHeld("A token on behalf of that key");
    token.release();
  }

  statistics(): CapacityLimiterStatistics {
    return {
      borrowedTokens: this.borrowedTokens,
      totalTokens: this.total,
      borrowers: [...this.borrowed].map(({ claim }) => claim.key ?? claim.owner),
      tasksWaiting: this.line.size,
    };
  }

  private firstBorrowedBy(task: Claim["owner"]): Token | undefined {
    for (const token of this.borrowed)
      if (token.claim.key === undefined && token.claim.owner === task) return token;
    return undefined;
  }

  /** @internal */
  giveBack(token: Token): void {
    if (!this.borrowed.delete(token)) return;
    if (token.claim.key !== undefined) this.keys.delete(token.claim.key);
    this.serve();
  }

  protected check(claim: Claim): void {
    if (claim.key === undefined) return;
    const waits = [...this.line].some((waiter) => waiter.asked.key === claim.key);
    if (waits || this.keys.has(claim.key)) {
      throw new UsageError(
        "A token is borrowed on behalf of that key already. A key has one token: release it first.",
      );
    }
  }

  protected tryGrant(claim: Claim): Held | undefined {
    if (this.borrowed.size >= this.total) return undefined;
    const token = new Token(this, claim);
    this.borrowed.add(token);
    if (claim.key !== undefined) this.keys.set(claim.key, token);
    return token;
  }

  /** @internal */
  waits(): void {
    // A token has no owner whose end would matter.
  }
}

class Token implements Held {
  readonly claim: Claim;
  private readonly limiter: CapacityLimiter;

  constructor(limiter: CapacityLimiter, claim: Claim) {
    this.limiter = limiter;
    this.claim = claim;
  }

  release(): void {
    this.limiter.giveBack(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

function checkTokens(totalTokens: number): number {
  if (totalTokens === Infinity || (Number.isInteger(totalTokens) && totalTokens >= 0)) return totalTokens;
  throw new UsageError(
    `A limiter of ${String(totalTokens)} tokens cannot be. Give a whole number, 0 or more, or Infinity.`,
  );
}

function checkKey(key: unknown): unknown {
  if (key === undefined) throw new UsageError("acquireOnBehalfOf() needs a key: anything but undefined.");
  return key;
}
