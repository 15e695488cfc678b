/** A turn for the host: calls back after it has served I/O and timers. */
interface Globals {
  setImmediate?: (callback: () => void) => unknown;
  Deno?: unknown;
}

function choose(): (callback: () => void) => void {
  const { setImmediate, Deno } = globalThis as unknown as Globals;
  // Deno serves I/O only every 62 immediates.
  if (Deno !== undefined) return (callback) => void setTimeout(callback, 0);
  if (setImmediate !== undefined) return (callback) => void setImmediate(callback);
  const callbacks: (() => void)[] = [];
  const channel = new MessageChannel();
  channel.port1.onmessage = () => callbacks.shift()?.();
  return (callback) => {
    callbacks.push(callback);
    channel.port2.postMessage(undefined);
  };
}

export const hostTurn: (callback: () => void) => void = choose();
