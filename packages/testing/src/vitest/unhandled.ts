/**
 * Catches the errors that nobody handles, instead of the host and the test runner.
 *
 * Invariant: between the call and the function that it gives, no other listener hears of them; afterwards all do again.
 */
type Listener = (...args: unknown[]) => void;

interface ProcessLike {
  listeners(event: string): Listener[];
  removeAllListeners(event: string): void;
  on(event: string, listener: Listener): void;
  off(event: string, listener: Listener): void;
}

interface WindowLike {
  addEventListener(type: string, listener: (event: HostErrorEvent) => void, options: { capture: true }): void;
  removeEventListener(
    type: string,
    listener: (event: HostErrorEvent) => void,
    options: { capture: true },
  ): void;
}

interface HostErrorEvent {
  readonly error?: unknown;
  readonly reason?: unknown;
  preventDefault(): void;
  stopImmediatePropagation(): void;
}

/** Tells every unhandled error to the listener until the function that it gives is called. */
export function catchUnhandled(listener: (error: unknown) => void): () => void {
  const { process } = globalThis as { process?: Partial<ProcessLike> };
  return typeof process?.removeAllListeners === "function"
    ? catchInProcess(process as ProcessLike, listener)
    : catchInWindow(globalThis, listener);
}

function catchInProcess(process: ProcessLike, listener: (error: unknown) => void): () => void {
  const undo = ["unhandledRejection", "uncaughtException"].map((event) => {
    const others = process.listeners(event);
    const mine: Listener = (error) => listener(error);
    process.removeAllListeners(event);
    process.on(event, mine);
    return () => {
      process.off(event, mine);
      for (const other of others) process.on(event, other);
    };
  });
  return () => undo.forEach((back) => back());
}

function catchInWindow(window: WindowLike, listener: (error: unknown) => void): () => void {
  const mine = (event: HostErrorEvent): void => {
    event.preventDefault();
    event.stopImmediatePropagation();
    listener("reason" in event ? event.reason : event.error);
  };
  const types = ["unhandledrejection", "error"];
  for (const type of types) window.addEventListener(type, mine, { capture: true });
  return () => {
    for (const type of types) window.removeEventListener(type, mine, { capture: true });
  };
}
