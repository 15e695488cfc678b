/**
 * The host seam: the few things a kernel needs of what it runs in.
 *
 * Invariant: `turn` lets the host serve I/O and timers before it calls back; `soon` does not.
 */
import { hostTurn } from "@anyloop/core/lowlevel";

export interface Host {
  /** Milliseconds on a monotonic clock. */
  now(): number;
  /** Calls back once the running callback is over, before the host does anything else. */
  soon(callback: () => void): void;
  /** Calls back after the host has had a turn. */
  turn(callback: () => void): void;
  /** Calls back after so many milliseconds; gives what takes it back. Keeps the process alive. */
  timer(milliseconds: number, callback: () => void): () => void;
  /** Calls back whenever the process has nothing left to do; gives what takes it back. Absent: the host cannot tell. */
  idle?(callback: () => void): () => void;
}

interface ProcessLike {
  on(event: "beforeExit", listener: () => void): void;
  off(event: "beforeExit", listener: () => void): void;
}
/** Longest delay that hosts keep; a longer one is armed again when it is over. */
const longestDelay = 2_147_483_647;

/** The host this program runs in: Node, Bun, Deno or a browser. */
export function detectHost(): Host {
  // Read once: on Node the global is a getter, and the time is asked for at every wake-up.
  const { process, performance } = globalThis as { process?: Partial<ProcessLike>; performance: Performance };
  const host: Host = {
    now: () => performance.now(),
    // Wrapped: browsers refuse a host function called as a method of another object.
    soon: (callback) => queueMicrotask(callback),
    turn: hostTurn,
    timer(milliseconds, callback) {
      const handle = setTimeout(callback, Math.min(Math.ceil(milliseconds), longestDelay));
      return () => clearTimeout(handle);
    },
  };
  if (typeof process?.on !== "function" || typeof process.off !== "function") return host;
  const events = process as ProcessLike;
  return {
    ...host,
    idle(callback) {
      events.on("beforeExit", callback);
      return () => events.off("beforeExit", callback);
    },
  };
}
