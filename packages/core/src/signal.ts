/** The `AbortSignal` of a place in the cancel tree: a node below it, made when first asked for. */
import { CancelNode } from "./cancel-tree.ts";

class SignalNode extends CancelNode {
  readonly controller = new AbortController();

  interrupt(): void {
    // A later, outer cancellation may replace the pending one; a signal is aborted once.
    if (!this.controller.signal.aborted) this.controller.abort(this.pending);
  }
}

const signals = new WeakMap<CancelNode, SignalNode>();

export function signalOf(node: CancelNode): AbortSignal {
  let signal = signals.get(node);
  if (signal === undefined) {
    signal = new SignalNode();
    signals.set(node, signal);
    signal.attach(node);
    if (signal.pending !== undefined) signal.interrupt();
  }
  return signal.controller.signal;
}
