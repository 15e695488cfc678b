/**
 * The host seam: the few things a kernel needs of what it runs in.
 *
 * Invariant: `turn` lets the host serve I/O and timers before it calls back; `soon` does not.
 */
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
interface Globals {
  setImmediate?: (callback: () => void) => unknown;
  Deno?: unknown;
  process?: Partial<ProcessLike>;
}

/** Longest delay that hosts keep; a longer one is armed again when it is over. */
const longestDelay = 2_147_483_647;

/** Deno serves I/O only every 62 immediates; a timer of no time makes it look. */
const denoImmediates = 32;

function chooseTurn(globals: Globals): (callback: () => void) => void {
  const { setImmediate } = globals;
  if (setImmediate !== undefined && globals.Deno !== undefined) {
    let turns = 0;
    return (callback) => {
      if (++turns % denoImmediates === 0) setTimeout(callback, 0);
      else setImmediate(callback);
    };
  }
  if (setImmediate !== undefined) return (callback) => void setImmediate(callback);
  // A browser: timers of no time are clamped to 4 ms there, messages are not.
  const callbacks: (() => void)[] = [];
  const channel = new MessageChannel();
  channel.port1.onmessage = () => callbacks.shift()?.();
  return (callback) => {
    callbacks.push(callback);
    channel.port2.postMessage(undefined);
  };
}

/** The host this program runs in: Node, Bun, Deno or a browser. */
export function detectHost(): Host {
  const globals = globalThis as unknown as Globals;
  const { process } = globals;
  const host: Host = {
    now: () => performance.now(),
    // Wrapped: browsers refuse a host function called as a method of another object.
    soon: (callback) => queueMicrotask(callback),
    turn: chooseTurn(globals),
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
