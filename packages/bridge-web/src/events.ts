/** Events of an `EventTarget`: theirs as a stream, one of them as an operation, and ours dispatched there. */
import { type BridgeReceiveStream, type BufferOptions, Inlet, Outlet } from "@anyloop/bridge";
import type { ObjectSendStream, Operation } from "@anyloop/core";
import { suspendOnHost } from "@anyloop/core/lowlevel";

class Events<E extends Event> extends Inlet<E> {
  private readonly target: EventTarget;
  private readonly type: string;
  private readonly onEvent = (event: Event): void => void this.push(event as E);

  constructor(target: EventTarget, type: string, options: BufferOptions | undefined) {
    super(options);
    this.target = target;
    this.type = type;
    target.addEventListener(type, this.onEvent);
  }

  protected detach(): undefined {
    this.target.removeEventListener(this.type, this.onEvent);
  }
}

/**
 * Receives every event of a type, from this call on. A target cannot be held back: what nobody has received yet waits,
 * see `BufferOptions`. Close the stream to stop listening.
 *
 * ```ts
 * import { use } from "anyloop";
 * import { events } from "@anyloop/bridge-web";
 *
 * const target = new EventTarget();
 * await use(events<CustomEvent<number>>(target, "count"), function* (counts) {
 *   target.dispatchEvent(new CustomEvent("count", { detail: 1 }));
 *   console.log((yield* counts.receive()).detail); // 1
 * });
 * ```
 */
export function events<E extends Event = Event>(
  target: EventTarget,
  type: string,
  options?: BufferOptions,
): BridgeReceiveStream<E> {
  return new Events<E>(target, type, options);
}

/** Waits for the next event of a type. Cancelled, it listens no more. */
export function once<E extends Event = Event>(target: EventTarget, type: string): Operation<E> {
  return suspendOnHost<E>((waiter) => {
    const onEvent = (event: Event): void => waiter.resume(event as E);
    target.addEventListener(type, onEvent, { once: true });
    return () => {
      target.removeEventListener(type, onEvent);
      return true;
    };
  });
}

class EventOutlet<T> extends Outlet<T> {
  private readonly target: EventTarget;
  private readonly toEvent: (item: T) => Event;

  constructor(target: EventTarget, toEvent: (item: T) => Event) {
    super();
    this.target = target;
    this.toEvent = toEvent;
  }

  protected write(item: T): void {
    this.target.dispatchEvent(this.toEvent(item));
  }

  protected finish(): undefined {
    // A target has no end and no failure of its own.
  }
}

/** Dispatches what is sent as events; each has been dealt with by the listeners when its send is over. */
export function toEventTarget<T>(target: EventTarget, toEvent: (item: T) => Event): ObjectSendStream<T> {
  return new EventOutlet(target, toEvent);
}
