/**
 * What runs in the other thread or process: it waits for jobs, does them one at a time, and answers.
 *
 * Invariant: its functions are self-contained. They get there as source, so that there is no second entry file which a
 * bundler would have to know of; whatever they use is an argument or a global.
 */
import type { Transferable } from "node:worker_threads";
import type { ChannelEnd, openChannelEnd } from "./channel-end.ts";

/** What a job's argument is sent as. */
export type SentArgument =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "callback"; readonly index: number }
  | { readonly kind: "channel"; readonly port: unknown; readonly capacity: number };

/** An error as it is sent: a clone loses its name and its properties. */
export interface SentError {
  readonly error: unknown;
  readonly name: string | undefined;
  readonly properties: Readonly<Record<string, unknown>>;
  /** Bun's clones lose it. */
  readonly cause: SentError | undefined;
  /** The variable that a function which came as source did not find. */
  readonly unbound: string | undefined;
}

export interface Job {
  readonly type: "job";
  /** Undefined for a function of a module. */
  readonly source: string | undefined;
  readonly module: string | undefined;
  readonly name: string;
  readonly args: readonly SentArgument[];
}

/** Answers a call of the worker. */
export interface CallAnswer {
  readonly type: "answer";
  readonly call: number;
  readonly value: unknown;
  readonly failure: SentError | undefined;
}

export type WorkerMessage =
  | { readonly type: "done"; readonly value: unknown }
  | { readonly type: "failed"; readonly failure: SentError }
  | { readonly type: "unloaded"; readonly failure: SentError }
  /** The call was misused: `why` is a sentence for its caller. */
  | { readonly type: "refused"; readonly why: string }
  | {
      readonly type: "call";
      readonly call: number;
      readonly index: number;
      readonly args: readonly unknown[];
    };

interface Link {
  post(message: WorkerMessage): void;
  listen(handler: (message: Job | CallAnswer) => void): void;
}

/** The other functions that travel, none of which may know another. */
interface Tools {
  readonly openChannelEnd: typeof openChannelEnd;
  readonly describeError: typeof describeError;
  readonly restoreError: typeof restoreError;
}

/** Self-contained. `source` is that of the function which threw it, if it came as source. */
export function describeError(error: unknown, source?: string): SentError {
  const properties: Record<string, unknown> = {};
  if (!(error instanceof Error))
    return { error, name: undefined, properties, cause: undefined, unbound: undefined };
  // Some of Bun's errors have inherited theirs.
  for (const key of ["code", ...Object.keys(error)]) {
    const value = (error as unknown as Record<string, unknown>)[key];
    if (value !== undefined && typeof value !== "object" && typeof value !== "function")
      properties[key] = value;
  }
  const unbound =
    source !== undefined && error instanceof ReferenceError
      ? /^(?:Can't find variable: )?([\w$]+)(?: is not defined|$)/.exec(error.message)?.[1]
      : undefined;
  const cause = error.cause instanceof Error ? describeError(error.cause) : undefined;
  return { error, name: error.name, properties, cause, unbound };
}

/** Self-contained. */
export function restoreError({ error, name, properties, cause }: SentError): unknown {
  if (!(error instanceof Error)) return error;
  if (name !== undefined && error.name !== name) {
    Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  }
  if (cause !== undefined) {
    Object.defineProperty(error, "cause", {
      value: restoreError(cause),
      configurable: true,
      writable: true,
    });
  }
  return Object.assign(error, properties);
}

export function serveJobs(
  link: Link,
  importModule: (url: string) => Promise<Record<string, unknown>>,
  { openChannelEnd, describeError, restoreError }: Tools,
): void {
  interface Pending {
    resolve(value: unknown): void;
    reject(error: unknown): void;
  }
  const calls = new Map<number, Pending>();
  let lastCall = 0;

  /** What cannot be cloned is described in words. */
  const post = (message: WorkerMessage): void => {
    try {
      link.post(message);
    } catch (error) {
      if ("failure" in message) {
        const { error: original, ...rest } = message.failure;
        link.post({ ...message, failure: { ...rest, error: new Error(String(original)) } });
      } else {
        link.post({ type: "refused", why: `What the function gave back cannot be sent: ${String(error)}` });
      }
    }
  };

  const callback =
    (index: number) =>
    (...args: unknown[]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const call = ++lastCall;
        link.post({ type: "call", call, index, args });
        calls.set(call, { resolve, reject });
      });

  const named = (name: string, message: string): Error => Object.assign(new Error(message), { name });

  const openPort = (port: never, capacity: number): object & { close(): void } => {
    let wake = (): void => {};
    let change = new Promise<void>((resolve) => (wake = resolve));
    const end: ChannelEnd = openChannelEnd(port, capacity, () => {
      wake();
      change = new Promise<void>((resolve) => (wake = resolve));
    });
    let state: "open" | "ended" | "closed" = "open";
    const self = {
      async send(item: unknown, transfer?: readonly Transferable[]): Promise<void> {
        for (;;) {
          if (state !== "open")
            throw named("ClosedResourceError", "This end of the channel was closed before.");
          if (end.isGone) throw named("BrokenResourceError", "The other end of the channel is closed.");
          if (end.room > 0) break;
          await change;
        }
        end.post(item, transfer);
      },
      async receive(): Promise<unknown> {
        for (;;) {
          if (state === "closed")
            throw named("ClosedResourceError", "This end of the channel was closed before.");
          if (end.waiting > 0) return end.take();
          if (end.hasEnded) throw named("EndOfStream", "The channel has ended: nothing more will come.");
          if (end.isGone) throw named("BrokenResourceError", "The other end of the channel is gone.");
          await change;
        }
      },
      sendEof(): void {
        if (state === "open") end.sendEof();
        if (state === "open") state = "ended";
      },
      close(): void {
        if (state !== "closed") end.close();
        state = "closed";
      },
      /** By hand: an async generator would take three promises for each item, and close what was left by `break`. */
      [Symbol.asyncIterator](): AsyncIterator<unknown> {
        return {
          async next(): Promise<IteratorResult<unknown, undefined>> {
            try {
              return { done: false, value: await self.receive() };
            } catch (error) {
              if ((error as Error).name === "EndOfStream") return { done: true, value: undefined };
              throw error;
            }
          },
        };
      },
    };
    return self;
  };

  const find = async ({ source, module = "", name }: Job): Promise<unknown> => {
    // Indirect: it sees what is global and nothing of ours.
    // oxlint-disable-next-line no-eval -- It is the user's own function, on its way from the other side.
    if (source !== undefined) return (0, eval)(`(${source})`) as unknown;
    return (await importModule(module))[name];
  };

  /** What became of a job. Its ports are opened first: whatever comes of it, the other ends hear that it is over. */
  const perform = async (job: Job): Promise<WorkerMessage> => {
    const ports: { close(): void }[] = [];
    const args = job.args.map((argument) => {
      if (argument.kind === "value") return argument.value;
      if (argument.kind === "callback") return callback(argument.index);
      const port = openPort(argument.port as never, argument.capacity);
      ports.push(port);
      return port;
    });
    let isLoaded = job.source !== undefined;
    try {
      const work = await find(job);
      isLoaded = true;
      if (typeof work === "function") {
        return { type: "done", value: await Reflect.apply(work, undefined, args) };
      }
      const why = `The module ${String(job.module)} exports no function ${JSON.stringify(job.name)}.`;
      return { type: "refused", why };
    } catch (error) {
      return { type: isLoaded ? "failed" : "unloaded", failure: describeError(error, job.source) };
    } finally {
      for (const port of ports) port.close();
    }
  };

  link.listen((message) => {
    if (message.type === "job") {
      void perform(message).then(post);
      return;
    }
    const { call, value, failure } = message;
    const pending = calls.get(call);
    calls.delete(call);
    if (failure === undefined) pending?.resolve(value);
    else pending?.reject(restoreError(failure));
  });
}
