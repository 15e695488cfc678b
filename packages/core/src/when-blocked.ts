/**
 * A callback for the moment at which a task has done what it could: whoever gathers what a task hands over piece by piece
 * (the writes of a socket) passes it on then, in one piece.
 *
 * Invariant: while a callback is registered, a step is being taken or the host has been asked for a turn; so it is called
 * before the process turns to anything but microtasks.
 */
import { hostTurn } from "./host-turn.ts";
import { realm } from "./realm.ts";

let isTurnRequested = false;

function callAll(): void {
  const callbacks = realm.whenBlocked;
  for (let next = callbacks.shift(); next !== undefined; next = callbacks.shift()) next();
}

function requestTurn(): void {
  if (isTurnRequested) return;
  isTurnRequested = true;
  hostTurn(() => {
    isTurnRequested = false;
    callAll();
  });
}

/** A step is over, or the first step of an awaited operation; in between are only microtasks. */
export function stepEnded(hasBlocked: boolean): void {
  if (hasBlocked) callAll();
  else requestTurn();
}

/**
 * Calls back once, when the task that runs blocks or ends, and at the latest at the host's next turn. A task that only
 * gave its turn because its budget was spent has not blocked; neither has an async body whose `await` was done at once.
 * The callback must not throw.
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
  if (realm.current === undefined) requestTurn();
}
