/**
 * What becomes of an operation that was awaited: one outcome, told to everybody who asks, now or later.
 *
 * Invariant: the operation is performed once. A rejection that nobody handles is the host's unhandled rejection, as with
 * any promise; nothing is swallowed here.
 */

type OnFulfilled<T, R> = ((value: T) => R | PromiseLike<R>) | null | undefined;
type OnRejected<R> = ((error: unknown) => R | PromiseLike<R>) | null | undefined;

export class Awaited<T> {
  private state: "pending" | "fulfilled" | "rejected" = "pending";
  private value: unknown = undefined;
  private reactions: Reaction[] | undefined = undefined;

  settle(failed: boolean, value: unknown): void {
    this.state = failed ? "rejected" : "fulfilled";
    this.value = value;
    const reactions = this.reactions;
    if (reactions === undefined) return;
    this.reactions = undefined;
    for (const reaction of reactions) reaction(failed, value);
  }

  then<A = T, B = never>(onFulfilled: OnFulfilled<T, A>, onRejected: OnRejected<B>): Promise<A | B> {
    // `await` and `Promise.resolve` pass both functions and ignore what comes back. They are called without another
    // microtask in between, and what comes back becomes a native promise only if somebody looks at it.
    if (typeof onFulfilled === "function" && typeof onRejected === "function") {
      const chained = new Chained<A | B>();
      this.react((failed, value) => {
        chained.follow(() => (failed ? onRejected(value) : onFulfilled(value as T)));
      });
      return chained;
    }
    return this.promise().then(onFulfilled, onRejected);
  }

  private promise(): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.react((failed, value) => {
        if (failed) reject(value);
        else resolve(value as T);
      });
    });
  }

  private react(reaction: Reaction): void {
    if (this.state === "pending") (this.reactions ??= []).push(reaction);
    else reaction(this.state === "rejected", this.value);
  }
}

type Reaction = (failed: boolean, value: unknown) => void;

/** The promise that `then` owes its caller, made when it is first used, or at once when it is rejected. */
class Chained<T> implements Promise<T> {
  private native: Promise<T> | undefined = undefined;
  private resolve: ((value: T | PromiseLike<T>) => void) | undefined = undefined;
  private reject: ((error: unknown) => void) | undefined = undefined;
  private followed = false;
  private value: T | PromiseLike<T> | undefined = undefined;

  follow(handler: () => T | PromiseLike<T>): void {
    this.followed = true;
    try {
      this.value = handler();
      this.resolve?.(this.value);
    } catch (error) {
      if (this.reject === undefined) this.native = Promise.reject(error);
      else this.reject(error);
    }
  }

  private promise(): Promise<T> {
    return (this.native ??= this.followed
      ? Promise.resolve(this.value as T | PromiseLike<T>)
      : new Promise<T>((resolve, reject) => {
          this.resolve = resolve;
          this.reject = reject;
        }));
  }

  then<A = T, B = never>(onFulfilled?: OnFulfilled<T, A>, onRejected?: OnRejected<B>): Promise<A | B> {
    return this.promise().then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: OnRejected<B>): Promise<T | B> {
    return this.promise().catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.promise().finally(onFinally);
  }

  get [Symbol.toStringTag](): string {
    return "Promise";
  }
}
