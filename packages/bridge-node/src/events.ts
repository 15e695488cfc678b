/** Events of an `EventEmitter`: theirs as a stream, one of them as an operation, and ours emitted there. */
import type { EventEmitter } from "node:events";
import { type BridgeReceiveStream, type BufferOptions, Inlet, Outlet } from "@anyloop/bridge";
import type { ObjectSendStream, Operation } from "@anyloop/core";
import { suspendOnHost } from "@anyloop/core/lowlevel";

export interface EventsOptions extends BufferOptions {
  /** Names of events that say that no more come, as in `node:events` `on`. */
  readonly close?: readonly string[] | undefined;
}

class Events<A extends readonly unknown[]> extends Inlet<A> {
  private readonly emitter: EventEmitter;
  private readonly name: string | symbol;
  private readonly ends: readonly string[];
  private readonly onEvent = (...args: unknown[]): void => void this.push(args as readonly unknown[] as A);
  private readonly onError = (error: unknown): void => this.fail(error);
  private readonly onEnd = (): void => this.end();

  constructor(emitter: EventEmitter, name: string | symbol, options: EventsOptions) {
    super(options);
    this.emitter = emitter;
    this.name = name;
    this.ends = options.close ?? [];
    emitter.on(name, this.onEvent);
    if (name !== "error") emitter.on("error", this.onError);
    for (const end of this.ends) emitter.on(end, this.onEnd);
  }

  protected detach(): undefined {
    const { emitter } = this;
    emitter.off(this.name, this.onEvent);
    emitter.off("error", this.onError);
    for (const end of this.ends) emitter.off(end, this.onEnd);
  }
}

/**
 * Receives the arguments of every event of a name, from this call on; an `error` event breaks the stream. An emitter
 * cannot be held back: what nobody has received yet waits, see `BufferOptions`. Close the stream to stop listening.
 *
 * ```ts
 * import { EventEmitter } from "node:events";
 * import { use } from "anyloop";
 * import { events } from "@anyloop/bridge-node";
 *
 * const emitter = new EventEmitter();
 * await use(events<[number, string]>(emitter, "item"), function* (items) {
 *   emitter.emit("item", 1, "one");
 *   const [number, text] = yield* items.receive();
 *   console.log(number, text); // 1 one
 * });
 * ```
 */
export function events<A extends readonly unknown[]>(
  emitter: EventEmitter,
  name: string | symbol,
  options: EventsOptions = {},
): BridgeReceiveStream<A> {
  return new Events<A>(emitter, name, options);
}

/**
 * Waits for the next event of a name and gives its arguments. Cancelled, it listens no more.
 * @throws what an `error` event says, unless that is the event waited for.
 */
export function once<A extends readonly unknown[]>(
  emitter: EventEmitter,
  name: string | symbol,
): Operation<A> {
  return suspendOnHost<A>((waiter) => {
    const stopListening = (): void => {
      emitter.off(name, onEvent);
      emitter.off("error", onError);
    };
    const onEvent = (...args: unknown[]): void => {
      stopListening();
      waiter.resume(args as readonly unknown[] as A);
    };
    const onError = (error: unknown): void => {
      stopListening();
      waiter.fail(error);
    };
    emitter.on(name, onEvent);
    if (name !== "error") emitter.on("error", onError);
    return () => {
      stopListening();
      return true;
    };
  });
}

class EventOutlet<A extends readonly unknown[]> extends Outlet<A> {
  private readonly emitter: EventEmitter;
  private readonly name: string | symbol;

  constructor(emitter: EventEmitter, name: string | symbol) {
    super();
    this.emitter = emitter;
    this.name = name;
  }

  protected write(args: A): void {
    this.emitter.emit(this.name, ...args);
  }

  protected finish(): undefined {
    // An emitter has no end and no failure of its own.
  }
}

/** Emits what is sent; each has been dealt with by the listeners when its send is over. What they throw is thrown by it. */
export function toEmitter<A extends readonly unknown[]>(
  emitter: EventEmitter,
  name: string | symbol,
): ObjectSendStream<A> {
  return new EventOutlet<A>(emitter, name);
}
