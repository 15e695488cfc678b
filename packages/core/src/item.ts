/** What can be handed over: anything but what awaiting would perform or unwrap. */
import { isOperation } from "./brand.ts";
import { UsageError } from "./errors.ts";

export function checkItem(item: unknown): void {
  if (typeof item !== "object" || item === null) return;
  if (item instanceof Promise || isOperation(item)) {
    throw new UsageError(
      "An operation or a promise is no item: awaiting the receive would perform it. Send a function that gives it instead.",
    );
  }
}

/** How much may wait to be taken. */
export function checkCapacity(capacity: number): number {
  if (capacity === Infinity || (Number.isInteger(capacity) && capacity >= 0)) return capacity;
  throw new UsageError(`The capacity is ${String(capacity)}. Give a whole number, 0 or more, or Infinity.`);
}
