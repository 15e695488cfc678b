/** What an explored run may cancel: the stretches of work that the body has given to its `victim`. */
import {
  CancelScope,
  type Coroutine,
  type Handler,
  type Operation,
  perform,
  type ScopeWork,
} from "@anyloop/core";

/** Performs work that the explorer may cancel at any moment; gives undefined if it did. */
export type Victim = <T>(work: ScopeWork<T>) => Operation<T | undefined>;

/** What is explored: an operation, or a body that makes everything it uses and is given a `victim`. */
export type Explored = Operation<unknown> | Handler<[victim: Victim]>;

/** Cancelled at most once, all that is inside together. */
export class Victims {
  /** Whether anything was given to it. */
  isUsed = false;
  wasCancelled = false;
  private readonly scopes = new Set<CancelScope>();

  readonly victim: Victim = <T>(work: ScopeWork<T>) => {
    const enclosed = (): Coroutine<T | undefined> => this.enclose(work);
    // A task that is begun with it is called as the work is.
    const name = typeof work === "function" && work.name !== "" ? work.name : "victim";
    return perform(undefined, Object.defineProperty(enclosed, "name", { value: name }));
  };

  get canCancel(): boolean {
    return this.scopes.size > 0 && !this.wasCancelled;
  }

  readonly cancel = (): void => {
    this.wasCancelled = true;
    for (const scope of this.scopes) scope.cancel("the explorer cancels here");
  };

  private *enclose<T>(work: ScopeWork<T>): Coroutine<T | undefined> {
    const scope = new CancelScope({ name: "victim" });
    this.isUsed = true;
    this.scopes.add(scope);
    try {
      return yield* scope.run(work);
    } finally {
      this.scopes.delete(scope);
    }
  }
}
