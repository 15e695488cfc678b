/**
 * The tree along which cancellation travels: scopes, tasks, async frames and signals are its nodes.
 *
 * Invariant: outside `spread`, `node.pending` is what a task standing at that node must see: the cancellation of the
 * outermost cancelled ancestor that no shield hides, else its own, else none. Reading it is one load; changing it is
 * linear in the nodes whose answer changes. Adding and removing a node is O(1).
 */
import { type Cancelled, cancelledNode, createCancelled } from "./errors.ts";

export abstract class CancelNode {
  /** @internal */
  above: CancelNode | undefined = undefined;
  /** Siblings form a ring that begins after the `last` of the node above. */
  private previous: CancelNode | undefined = undefined;
  private following: CancelNode | undefined = undefined;
  private last: CancelNode | undefined = undefined;
  /** @internal The cancellation of this very node. */
  own: Cancelled | undefined = undefined;
  /** @internal */
  pending: Cancelled | undefined = undefined;

  /** @internal `pending` was set or replaced: wake what waits right here. May run user code. */
  abstract interrupt(): void;

  /** @internal */
  get isShielded(): boolean {
    return false;
  }

  /** @internal The deadline this node itself sets. */
  get ownDeadline(): number {
    return Infinity;
  }

  /** @internal */
  attach(above: CancelNode): void {
    this.above = above;
    const last = above.last;
    if (last === undefined) {
      this.previous = this;
      this.following = this;
    } else {
      this.previous = last;
      this.following = last.following;
      (last.following as CancelNode).previous = this;
      last.following = this;
    }
    above.last = this;
    this.pending = this.answer();
  }

  /** @internal */
  detach(): void {
    const { above } = this;
    if (above === undefined || this.following === undefined) return;
    if (this.following === this) {
      above.last = undefined;
    } else {
      (this.previous as CancelNode).following = this.following;
      this.following.previous = this.previous;
      if (above.last === this) above.last = this.previous;
    }
    this.previous = undefined;
    this.following = undefined;
  }

  /** @internal Moves to another place in the tree; what is cancelled there reaches it at once. */
  moveTo(above: CancelNode): void {
    const before = this.pending;
    this.detach();
    this.attach(above);
    this.pending = before;
    this.spread();
  }

  /** @internal Cancels this node. Only the first call counts: its reason is kept. */
  cancelNode(reason: unknown): boolean {
    if (this.own !== undefined) return false;
    this.own = createCancelled(this, reason);
    this.spread();
    return true;
  }

  /** @internal Whether a cancellation belongs to this node or to one around it. */
  isWithin(cancelled: Cancelled): boolean {
    // The two usual answers first: a walk to the root at every level would make deep unwinding quadratic.
    if (this.pending === cancelled || this.own === cancelled) return true;
    const node = cancelledNode(cancelled);
    for (let at: CancelNode | undefined = this; at !== undefined; at = at.above) if (at === node) return true;
    return false;
  }

  /** The nodes right below, in order of arrival. */
  *members(): Generator<CancelNode, void, undefined> {
    const last = this.last;
    if (last === undefined) return;
    const all: CancelNode[] = [];
    let at: CancelNode = last;
    do {
      at = at.following as CancelNode;
      all.push(at);
    } while (at !== last);
    yield* all;
  }

  /** What `pending` is to be. */
  protected answer(): Cancelled | undefined {
    return this.above?.pending ?? this.own;
  }

  /**
   * Recomputes this node and whatever below it changes, then wakes those that wait. Two passes, because waking runs
   * abort functions, which may cancel, move and remove nodes: the tree must be right before the first of them runs.
   */
  protected spread(): void {
    const changed: CancelNode[] = [];
    let at: CancelNode = this;
    for (;;) {
      const answer = at.answer();
      const descend = answer !== at.pending && at.last !== undefined;
      if (answer !== at.pending) {
        at.pending = answer;
        if (answer !== undefined) changed.push(at);
      }
      if (descend) {
        at = (at.last as CancelNode).following as CancelNode;
        continue;
      }
      while (at !== this && at === (at.above as CancelNode).last) at = at.above as CancelNode;
      if (at === this) break;
      at = at.following as CancelNode;
    }
    for (const node of changed) if (node.pending !== undefined) node.interrupt();
  }
}
