/**
 * Which items can wait for the end of the turn, to be posted together with others.
 *
 * Invariant: what the other side gets is the item as it was when it was sent, though its sender may change it right
 * afterwards. The host's clone is taken when a batch is posted, so only what cannot change is gathered: primitive values,
 * and copies of arrays and records that hold nothing else. Everything else is posted at once; it costs more to clone than
 * a message of its own does, and if it cannot be cloned its own sender is told.
 */

/** For an item that has to be posted at once. */
export const unsettled: unique symbol = Symbol("unsettled");

/** The item, or a copy that nobody else has; `unsettled` if it cannot be copied cheaply. */
export function snapshot(item: unknown): unknown {
  if (isPrimitive(item)) return item;
  if (typeof item !== "object" || item === null) return unsettled;
  const prototype: unknown = Object.getPrototypeOf(item);
  if (prototype === Array.prototype) return snapshotOfArray(item as readonly unknown[]);
  return prototype === Object.prototype ? snapshotOfRecord(item) : unsettled;
}

function snapshotOfArray(item: readonly unknown[]): unknown {
  const copy = item.slice();
  // By index: holes are undefined there, and a clone keeps them as holes.
  for (let at = 0; at < copy.length; at++) if (!isPrimitive(copy[at])) return unsettled;
  return Object.keys(item).length === copy.length ? copy : unsettled;
}

function snapshotOfRecord(item: object): unknown {
  const copy: Record<string, unknown> = { ...item };
  for (const key in copy) if (!isPrimitive(copy[key])) return unsettled;
  return copy;
}

function isPrimitive(value: unknown): boolean {
  const kind = typeof value;
  return kind === "object" ? value === null : kind !== "function" && kind !== "symbol";
}
