/**
 * A callback for the moment at which a task has done what it could: whoever gathers what a task hands over piece by piece
 * (the writes of a socket) passes it on then, in one piece.
 */
import { realm } from "./realm.ts";

/**
 * Calls back once, when the task whose step is being taken blocks or ends; a task that only gave its turn, because its
 * budget was spent, has not blocked. Outside a step (in the stack of an `await`) it is the next step that counts. So ask
 * the host as well for a callback before it turns to other things. The callback must not throw.
 *
 * ```ts
 * const order: string[] = [];
 * await run(function* () {
 *   whenBlocked(() => order.push("waits"));
 *   order.push("runs");
 *   yield* sleep(1);
 * });
 * console.log(order.join(", ")); // runs, waits
 * ```
 */
export function whenBlocked(callback: () => void): void {
  realm.whenBlocked.push(callback);
}
