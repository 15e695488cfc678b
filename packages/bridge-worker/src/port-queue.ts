/**
 * A universal queue that is used from other threads and processes as well: one of them owns it, the others reach it over
 * a port.
 *
 * Invariant: the queue is the owner's, and everybody stands in its line: tasks and callbacks there, and whoever waits at
 * the other side of a port. A remote `get` that is cancelled gives up its place: either the item stays at the head of the
 * queue, or it was on its way already, and then it comes, once, to whoever waited for it.
 */
import type { UniversalQueue } from "@anyloop/bridge";
import { type Operation, RunFinishedError } from "@anyloop/core";
import { closing, type Waiter } from "@anyloop/core/lowlevel";
import { type Answering, Caller, Server } from "./calls.ts";
import type { Port } from "./port.ts";

export interface PortQueueOptions {
  /** By which the two sides find each other; "queue" if not given. */
  readonly name?: string | undefined;
}

/** The other side of a port's queue. */
export interface PortQueue<T> extends AsyncDisposable {
  /**
   * Takes the next item of the queue; waits while there is none. Cancelled, it waits for the word of the owner.
   * @throws what the queue throws; RunFinishedError once it is shared no more; BrokenResourceError, with the cause, if the
   * owner's thread or process is gone.
   */
  get(): Operation<T>;
  /** Puts a clone of the item in; waits while the queue is full. @throws as `get`; UsageError for what cannot be cloned. */
  put(item: T): Operation<void>;
  /** Closes our side: whoever waits here gives up. The queue and the port stay open. */
  close(): Operation<void>;
}

const defaultName = "queue";

class QueueEnd<T> implements PortQueue<T> {
  private readonly caller: Caller;

  constructor(port: Port, name: string) {
    this.caller = new Caller(port, name);
  }

  get(): Operation<T> {
    return this.caller.call("get", []) as Operation<T>;
  }

  put(item: T): Operation<void> {
    return this.caller.call("put", [item]) as Operation<void>;
  }

  close(): Operation<void> {
    return closing(() => this.caller.close());
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }
}

/**
 * The queue that is shared at the other side of a port by `shareQueue`.
 *
 * ```ts
 * import { run } from "anyloop";
 * import { UniversalQueue } from "@anyloop/bridge";
 * import { portQueue, shareQueue } from "@anyloop/bridge-worker";
 *
 * const { port1, port2 } = new MessageChannel();
 * const owned = new UniversalQueue<string>();
 * const sharing = shareQueue(port1, owned);
 * const remote = portQueue<string>(port2);
 * await run(function* () {
 *   yield* remote.put("over there");
 *   console.log(yield* owned.get()); // over there
 *   yield* owned.put("and back");
 *   console.log(yield* remote.get()); // and back
 *   yield* remote.close();
 * });
 * sharing.close();
 * ```
 *
 * @throws UsageError for what is no port, and for a name that is open there already.
 */
export function portQueue<T>(port: Port, { name = defaultName }: PortQueueOptions = {}): PortQueue<T> {
  return new QueueEnd<T>(port, name);
}

/** Lets the other side of a port use the queue, until it is closed. Needs no run, and does not keep the process alive. */
export function shareQueue<T>(
  port: Port,
  queue: UniversalQueue<T>,
  { name = defaultName }: PortQueueOptions = {},
): { close(): void } {
  const serve = (method: string, [item]: readonly unknown[], answering: Answering): (() => void) => {
    const waiter: Waiter<unknown> = { resume: answering.value, fail: answering.error };
    const withdraw = method === "get" ? queue.getWith(waiter) : queue.putWith(item as T, waiter);
    return () => {
      if (withdraw()) answering.cancelled();
    };
  };
  let isShared = true;
  let server: Server;
  const open = (): void => {
    server = new Server(port, name, serve, (isInOrder) => {
      // For whoever opens it over there next.
      if (isShared && isInOrder) open();
    });
    // Last: whoever opened it over there before us may have left since, and then there is another one by now.
    server.begin();
  };
  open();
  return {
    close() {
      isShared = false;
      server.close(new RunFinishedError("The queue is shared no more."));
    },
  };
}
