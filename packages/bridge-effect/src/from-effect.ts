/** An effect as an operation: a fiber of theirs under a scope of ours. */
import type { Cancelled, Operation } from "@anyloop/core";
import { suspendOnHost } from "@anyloop/core/lowlevel";
import { Context, Effect } from "effect";
import { settle } from "./outcome.ts";

/**
 * Runs an effect in a fiber and waits for it. Cancelling interrupts the fiber and waits until its finalizers have run; a
 * value or a failure that it ends with all the same wins.
 *
 * ```ts
 * import { Effect } from "effect";
 * import { run } from "anyloop";
 * import { fromEffect } from "@anyloop/bridge-effect";
 *
 * console.log(await run(fromEffect(Effect.succeed(42)))); // 42
 * ```
 *
 * @throws the effect's failure or defect as itself; a TaskGroupError of several; TaskCancelled if somebody else
 * interrupted the fiber.
 */
export function fromEffect<A, E>(effect: Effect.Effect<A, E>): Operation<A>;
export function fromEffect<A, E, R>(
  effect: Effect.Effect<A, E, R>,
  context: Context.Context<R>,
): Operation<A>;
export function fromEffect<A, R>(
  effect: Effect.Effect<A, unknown, R>,
  context: Context.Context<R> = Context.empty() as Context.Context<R>,
): Operation<A> {
  return suspendOnHost<A>((waiter) => {
    let cancelled: Cancelled | undefined;
    const fiber = Effect.runForkWith(context)(effect);
    fiber.addObserver((exit) => settle(waiter, exit, cancelled));
    return (given) => {
      cancelled = given;
      fiber.interruptUnsafe();
      return false;
    };
  });
}
