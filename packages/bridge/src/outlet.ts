/**
 * The sending end of a bridge to a foreign side that takes each item at once: listeners, observers, ports.
 *
 * Invariant: an item is handed over in the step that sends it, or not at all; after the end nothing is.
 */
import { BrokenResourceError, ClosedResourceError, type Operation } from "@anyloop/core";
import { type Cancelled, closing, HostLeaf, type Strand } from "@anyloop/core/lowlevel";
import type { BridgeSendStream } from "./ends.ts";

export abstract class Outlet<T> implements BridgeSendStream<T> {
  private problem: (() => Error) | undefined = undefined;

  /** Hands an item over. What it throws is thrown by the send, and ends nothing. */
  protected abstract write(item: T): void;

  /** Tells the foreign side that nothing more comes, or why. Called at most once. */
  protected abstract finish(failure: { readonly error: unknown } | undefined): void;

  send(item: T): Operation<void> {
    return new Send<T>(this, item);
  }

  close(): Operation<void> {
    return closing(() => this.finishWith(undefined));
  }

  fail(error: unknown): void {
    this.finishWith({ error });
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  /** The foreign side wants no more: sending is Broken from here on. */
  protected breakOff(reason: unknown): void {
    this.problem ??= () => new BrokenResourceError(undefined, { cause: reason });
  }

  /** @internal */
  sendNow(item: T): void {
    if (this.problem !== undefined) throw this.problem();
    this.write(item);
  }

  private finishWith(failure: { readonly error: unknown } | undefined): void {
    const wasBroken = this.problem !== undefined;
    this.problem = () => new ClosedResourceError();
    if (!wasBroken) this.finish(failure);
  }
}

/** Never parks: there is nothing to wait for. */
class Send<T> extends HostLeaf<void> {
  get label(): string {
    return "a send over a bridge";
  }

  private readonly outlet: Outlet<T>;
  private readonly item: T;

  constructor(outlet: Outlet<T>, item: T) {
    super();
    this.outlet = outlet;
    this.item = item;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    try {
      this.outlet.sendNow(this.item);
    } catch (error) {
      return this.refuse(strand, error);
    }
    return this.complete(strand, undefined);
  }

  protected abort(_cancelled: Cancelled): boolean {
    return false;
  }
}
