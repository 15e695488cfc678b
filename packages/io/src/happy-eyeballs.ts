/**
 * Connecting to a host of several addresses: RFC 8305, "Happy Eyeballs".
 *
 * Invariant: at most one connection comes out. One that is made while another has won is closed, and so is the winner if
 * it can no longer be given to the caller.
 */
import {
  type AsyncCloseable,
  type Coroutine,
  Event,
  isCancelled,
  moveOnAfter,
  type Operation,
  perform,
  type TaskGroup,
  taskGroup,
} from "@anyloop/core";

/** Milliseconds after which the next address is tried beside the ones under way. */
const recommendedDelay = 250;

export interface HappyEyeballsOptions {
  /** Milliseconds after which the next address is tried; 250 if not given. */
  readonly delay?: number | undefined;
}

/** The families by turns, beginning with that of the first address; otherwise in the order given. */
export function interleave<A extends { readonly family: number }>(addresses: readonly A[]): A[] {
  const first = addresses.filter(({ family }) => family === addresses[0]?.family);
  const others = addresses.filter(({ family }) => family !== addresses[0]?.family);
  return first
    .flatMap((address, index) => (index < others.length ? [address, others[index] as A] : [address]))
    .concat(others.slice(first.length));
}

class Attempts<A, S extends AsyncCloseable> {
  readonly errors: unknown[] = [];
  private readonly addresses: readonly A[];
  private readonly connect: (address: A) => Operation<S>;
  private readonly delay: number;
  private winner: S | undefined = undefined;

  constructor(addresses: readonly A[], connect: (address: A) => Operation<S>, delay: number) {
    this.addresses = addresses;
    this.connect = connect;
    this.delay = delay;
  }

  /** Undefined if no attempt succeeded. */
  *run(): Coroutine<S | undefined> {
    try {
      yield* taskGroup((group) => perform(this, this.startAll, group));
    } catch (error) {
      // Cancelled from around, just as it was made.
      if (this.winner !== undefined) yield* this.winner.close();
      throw error;
    }
    return this.winner;
  }

  private *startAll(group: TaskGroup): Coroutine<void> {
    for (const [index] of this.addresses.entries()) {
      const failed = new Event();
      group.startSoon(perform(this, this.attempt, group, index, failed));
      yield* moveOnAfter(this.delay, failed.wait());
    }
  }

  private *attempt(group: TaskGroup, index: number, failed: Event): Coroutine<void> {
    let stream: S;
    try {
      stream = yield* this.connect(this.addresses[index] as A);
    } catch (error) {
      if (isCancelled(error)) throw error;
      this.errors[index] = error;
      failed.set();
      return;
    }
    if (this.winner === undefined) {
      this.winner = stream;
      group.cancel("another address has answered");
    } else {
      yield* stream.close();
    }
  }
}

/**
 * Tries the addresses one after the other, without waiting longer than `delay` for any before the next is tried as well;
 * a failure brings the next one at once. Gives the first connection that is made; closes any that comes later.
 * @throws what `allFailed` makes of the errors of all attempts, in the order of the addresses.
 */
export function happyEyeballs<A, S extends AsyncCloseable>(
  addresses: readonly A[],
  connect: (address: A) => Operation<S>,
  allFailed: (errors: readonly unknown[]) => Error,
  { delay = recommendedDelay }: HappyEyeballsOptions = {},
): Operation<S> {
  return perform(undefined, firstToAnswer<A, S>, new Attempts(addresses, connect, delay), allFailed);
}

function* firstToAnswer<A, S extends AsyncCloseable>(
  this: undefined,
  attempts: Attempts<A, S>,
  allFailed: (errors: readonly unknown[]) => Error,
): Coroutine<S> {
  const stream = yield* attempts.run();
  if (stream === undefined) throw allFailed(attempts.errors);
  return stream;
}
