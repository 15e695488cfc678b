/** Ports for tests: real ones, whose listeners are counted. */
import type { WebPort } from "@anyloop/bridge-worker";

export interface CountedPort extends WebPort {
  readonly listeners: number;
  close(): void;
}

/** A message port as the web has it, in browsers and elsewhere. */
function counted(port: MessagePort): CountedPort {
  const listeners = new Set<unknown>();
  return {
    get listeners() {
      return listeners.size;
    },
    addEventListener(event, listener) {
      listeners.add(listener);
      port.addEventListener(event, listener);
    },
    removeEventListener(event, listener) {
      listeners.delete(listener);
      port.removeEventListener(event, listener);
    },
    postMessage: (message, transfer) => port.postMessage(message, transfer ?? []),
    start: () => port.start(),
    close: () => port.close(),
  };
}

/** The two ends of a message channel. */
export function portPair(): [CountedPort, CountedPort] {
  const { port1, port2 } = new MessageChannel();
  return [counted(port1), counted(port2)];
}
