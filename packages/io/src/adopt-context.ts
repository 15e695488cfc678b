/**
 * The asynchronous context of accepted connections.
 *
 * Node makes the handle of an accepted connection outside any context, so every callback of it comes without one: other
 * people's `AsyncLocalStorage`s are empty there, and a run has to enter its own context for each piece of data, which was
 * a twelfth of the cost of an echoed message. Invariant: without this everything works the same, more slowly.
 */
import type { Socket } from "node:net";

interface Handle {
  asyncReset?(resource: object): void;
}

/** Gives the callbacks of a socket the context that we are in: what Node's HTTP agent does with sockets that change hands. */
export function adoptContext(socket: Socket): void {
  const { _handle: handle } = socket as unknown as { readonly _handle?: Handle | null };
  handle?.asyncReset?.(handle);
}
