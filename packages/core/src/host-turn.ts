/**
 * A turn for the host: it serves I/O and timers before it calls back.
 *
 * Invariant: promise jobs alone never let the host have its turn, so whoever runs many of them asks for one here.
 */
interface Globals {
  setImmediate?: (callback: () => void) => unknown;
  Deno?: unknown;
}

type Turn = (callback: () => void) => void;

/** Deno serves I/O only every 62 immediates; a timer of no time makes it look. */
const denoImmediates = 32;

function choose(): Turn {
  const { setImmediate, Deno } = globalThis as unknown as Globals;
  if (setImmediate === undefined) return byMessages();
  if (Deno === undefined) return (callback) => void setImmediate(callback);
  let turns = 0;
  return (callback) => {
    if (++turns % denoImmediates === 0) setTimeout(callback, 0);
    else setImmediate(callback);
  };
}

/** A browser: timers of no time are clamped to 4 ms there, messages are not. */
function byMessages(): Turn {
  const callbacks: (() => void)[] = [];
  const channel = new MessageChannel();
  channel.port1.onmessage = () => callbacks.shift()?.();
  return (callback) => {
    callbacks.push(callback);
    channel.port2.postMessage(undefined);
  };
}

let turn: Turn | undefined;

/** Calls back after the host has had a turn. */
export function hostTurn(callback: () => void): void {
  (turn ??= choose())(callback);
}
