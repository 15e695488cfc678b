/** The heap after a collection: what is still in use. */
declare const Bun: { gc(force: boolean): void } | undefined;

/** @throws {Error} where a collection cannot be asked for: neither times nor bytes would mean anything. */
export function collectGarbage(): void {
  if (globalThis.gc !== undefined) globalThis.gc();
  else if (typeof Bun !== "undefined") Bun.gc(true);
  else throw new Error("This runtime was started without a way to ask for a collection.");
}

/** Bytes in use. */
export function heapUsed(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
