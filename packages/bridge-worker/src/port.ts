/**
 * Ports: whatever posts messages to another thread or process, made alike.
 *
 * Invariant: once a wire has told that it is gone it tells nothing more, and after `stop` nothing of ours is left on the
 * port. That we listen keeps no process alive, unless we say so; what keeps it alive without us goes on doing so.
 */
import { UsageError } from "@anyloop/core";

type Listener = (...args: unknown[]) => void;

/** A `MessagePort`, a `Worker` or the `parentPort` of `node:worker_threads`. */
export interface NodePort {
  on(event: string, listener: Listener): unknown;
  off(event: string, listener: Listener): unknown;
  /** Deno's message ports have none. */
  listenerCount?(event: string): number;
  postMessage(message: unknown, transfer?: never): void;
  ref?(): void;
  unref?(): void;
}

/** A `MessagePort` or a `Worker` of the web, or what `self` is in one. */
export interface WebPort {
  addEventListener(event: string, listener: (event: Event) => void): void;
  removeEventListener(event: string, listener: (event: Event) => void): void;
  postMessage(message: unknown, transfer?: never): void;
  start?(): void;
}

/** A `ChildProcess` that was started with a channel, or `process` in one. */
export interface ProcessPort {
  on(event: string, listener: Listener): unknown;
  off(event: string, listener: Listener): unknown;
  listenerCount(event: string): number;
  send?: unknown;
  readonly connected: boolean;
  readonly channel?: { ref(): void; unref(): void } | null | undefined;
}

/** Anything that posts messages to another thread or process. */
export type Port = NodePort | WebPort | ProcessPort;

export interface Wire {
  /** @throws what the host throws for what cannot be cloned. */
  post(message: unknown, transfer: readonly Transferable[]): void;
  /** Starts to listen, and gives what stops it. */
  listen(onMessage: (message: unknown) => void, onGone: (cause: unknown) => void): () => void;
  /** Whether the port keeps the process alive. */
  keepAlive(isKept: boolean): void;
}

export function wireOf(port: Port): Wire {
  if ("postMessage" in port && typeof port.postMessage === "function") {
    return "on" in port ? new NodeWire(port) : new WebWire(port);
  }
  if ("send" in port && typeof port.send === "function") return new ProcessWire(port as SendingProcess);
  throw new UsageError(
    "This is no port. Give a MessagePort, a Worker, parentPort, self in a worker, or a process that was started with an IPC channel.",
  );
}

/** What is told with an event is known by its name. */
type Listeners = Readonly<Record<string, (value: never, more: never) => void>>;

function listenTo(port: Pick<NodePort, "on" | "off">, listeners: Listeners): () => void {
  for (const [event, listener] of Object.entries(listeners)) port.on(event, listener as Listener);
  return () => {
    for (const [event, listener] of Object.entries(listeners)) port.off(event, listener as Listener);
  };
}

const unreadable = "A message came that cannot be read here.";
const closed = "The port was closed.";

/** An empty list costs as much as an item, on each message. */
function post(port: NodePort | WebPort, message: unknown, transfer: readonly Transferable[]): void {
  if (transfer.length === 0) port.postMessage(message);
  else port.postMessage(message, transfer as never);
}

class NodeWire implements Wire {
  private readonly port: NodePort & { readonly threadId?: number };
  private readonly life = new Life();

  constructor(port: NodePort) {
    this.port = port;
  }

  post(message: unknown, transfer: readonly Transferable[]): void {
    post(this.port, message, transfer);
  }

  listen(onMessage: (message: unknown) => void, onGone: (cause: unknown) => void): () => void {
    const { port } = this;
    let failure: unknown;
    const stop = listenTo(port, {
      message: onMessage,
      messageerror: (error: unknown) => onGone(new Error(unreadable, { cause: error })),
      // A worker tells its error first, and is gone once it has exited.
      error: (error: unknown) => (failure = error),
      exit: (code: number) => onGone(failure ?? new Error(`The thread ended with code ${String(code)}.`)),
      close: () => onGone(failure ?? new Error(closed)),
    });
    this.keepAlive(false);
    if (port.threadId === -1) onGone(new Error("The thread has ended."));
    return () => {
      stop();
      this.life.keep(false);
    };
  }

  keepAlive(isKept: boolean): void {
    const { port } = this;
    // Somebody runs the worker, and says himself whether it keeps the process alive.
    if (port.threadId !== undefined) this.life.keep(isKept);
    else keepByListening(port, port, isKept);
  }
}

/** A port is kept for its listeners: for ours only when we say so. */
function keepByListening(
  emitter: Pick<NodePort, "listenerCount">,
  kept: Pick<NodePort, "ref" | "unref"> | null | undefined,
  isKept: boolean,
): void {
  if (isKept) kept?.ref?.();
  else if ((emitter.listenerCount?.("message") ?? 1) <= 1) kept?.unref?.();
}

/** What keeps a process alive by itself. */
class Life {
  private timer: { ref?(): unknown; unref?(): unknown } | undefined = undefined;

  keep(isKept: boolean): void {
    if (this.timer !== undefined) this.timer[isKept ? "ref" : "unref"]?.();
    else if (isKept) this.timer = setInterval(() => {}, longestTimer) as object;
  }
}

/** Milliseconds. */
const longestTimer = 2 ** 31 - 1;

class WebWire implements Wire {
  private readonly port: WebPort;

  constructor(port: WebPort) {
    this.port = port;
  }

  post(message: unknown, transfer: readonly Transferable[]): void {
    post(this.port, message, transfer);
  }

  listen(onMessage: (message: unknown) => void, onGone: (cause: unknown) => void): () => void {
    const { port } = this;
    const listeners: Record<string, (event: Event) => void> = {
      message: (event) => onMessage((event as MessageEvent<unknown>).data),
      messageerror: () => onGone(new Error(unreadable)),
      error: (event) => onGone(causeOf(event)),
      close: () => onGone(new Error(closed)),
    };
    for (const [event, listener] of Object.entries(listeners)) port.addEventListener(event, listener);
    port.start?.();
    return () => {
      for (const [event, listener] of Object.entries(listeners)) port.removeEventListener(event, listener);
    };
  }

  keepAlive(): void {
    // A page lives as long as it is looked at.
  }
}

/** What a web worker's "error" event says: of an error there it has only the message. */
function causeOf(event: Event): unknown {
  const { error, message } = event as { readonly error?: unknown; readonly message?: string };
  return error ?? new Error(message ?? "The worker failed, or could not be loaded.");
}

type SendingProcess = ProcessPort & {
  send(message: unknown, callback: (error: Error | null) => void): boolean;
  readonly exitCode?: number | null | undefined;
  /** Only the handle of a child has it. */
  readonly signalCode?: string | null | undefined;
};

/** Milliseconds that a process whose channel has closed is given to tell how it ended. */
const exitPatience = 200;

class ProcessWire implements Wire {
  private readonly process: SendingProcess;
  private readonly life = new Life();

  constructor(process: SendingProcess) {
    this.process = process;
  }

  post(message: unknown, transfer: readonly Transferable[]): void {
    if (transfer.length > 0) {
      throw new UsageError(
        "Nothing can be transferred to another process. Leave `transfer` out: it is copied.",
      );
    }
    // With a callback an error is not thrown as an event; that the channel has closed is told by "disconnect".
    this.process.send(message, () => {});
  }

  listen(onMessage: (message: unknown) => void, onGone: (cause: unknown) => void): () => void {
    const { process } = this;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const exited = (code: number | null, signal: string | null): void => {
      clearTimeout(timer);
      onGone(new Error(`The process ended with ${signal ?? `code ${String(code)}`}.`));
    };
    const disconnected = (): void => {
      const { exitCode, signalCode } = process;
      if (typeof exitCode === "number" || typeof signalCode === "string") {
        exited(exitCode ?? null, signalCode ?? null);
      } else {
        timer = setTimeout(() => onGone(new Error("The channel to the process was closed.")), exitPatience);
      }
    };
    const stop = listenTo(process, {
      message: onMessage,
      disconnect: disconnected,
      exit: (code: number | null, signal: string | null) => {
        // Its last messages may still be on their way: they are read before the channel says that it is closed.
        if (!process.connected) exited(code, signal);
      },
    });
    this.keepAlive(false);
    if (!process.connected) disconnected();
    return () => {
      clearTimeout(timer);
      stop();
      this.life.keep(false);
    };
  }

  keepAlive(isKept: boolean): void {
    const { process } = this;
    // Somebody runs the child, and says himself whether it keeps the process alive.
    if ("signalCode" in process) this.life.keep(isKept);
    else keepByListening(process, process.channel, isKept);
  }
}
