/** How Node streams end when we end them. */
import type { Readable, Writable } from "node:stream";

const ignore = (): void => {};

/** Settles once the stream has closed, by itself or because it was told to. */
export function closed(stream: Readable | Writable): PromiseLike<void> {
  if (stream.closed) return Promise.resolve();
  return new Promise((resolve) => void stream.once("close", () => resolve()));
}

/**
 * Destroys a stream with an error that came from our side. Whoever listens hears it; where nobody does it must not become
 * an uncaught one, for our side knows it already.
 */
export function destroyed(stream: Readable | Writable, reason: unknown): void {
  const error = reason instanceof Error ? reason : new Error(String(reason), { cause: reason });
  stream.on("error", ignore);
  stream.once("close", () => stream.off("error", ignore));
  stream.destroy(error);
}
