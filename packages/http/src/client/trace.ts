/**
 * Hooks that follow a request on its way. They are plain callbacks in the stack of the I/O: measure, count, log; start no
 * requests in them, and cancel none.
 */
import type { HttpHeaders } from "../headers.ts";

/** The request an event belongs to. The same object for all events of one exchange with a server: use it as a key. */
export interface TracedRequest {
  readonly method: string;
  readonly url: string;
}

/**
 * Each is called with the time in milliseconds on `performance.now()`. What a hook throws is reported by the host as an
 * uncaught error: it says nothing about the request.
 */
export interface Trace {
  /** No connection is free, and no more may be opened. */
  queued?(request: TracedRequest, time: number): void;
  /** An open connection is used again. */
  reused?(request: TracedRequest, time: number): void;
  /** A connection is being made: name look-up first. */
  connecting?(request: TracedRequest, time: number): void;
  /** TCP (or the Unix socket) is connected; TLS comes next if the URL asks for it. */
  connected?(request: TracedRequest, time: number): void;
  /** TLS has shaken hands. */
  secured?(request: TracedRequest, time: number, protocol: string): void;
  /** The request was handed to the system, its body included. */
  requestSent?(request: TracedRequest, time: number): void;
  /** Status and header fields have come. */
  firstByte?(request: TracedRequest, time: number, status: number, headers: HttpHeaders): void;
  /** The body has come, all of it. */
  ended?(request: TracedRequest, time: number): void;
  /** The request failed, or was cancelled. */
  failed?(request: TracedRequest, time: number, error: unknown): void;
  /** The answer points elsewhere, and a new request goes there. */
  redirected?(request: TracedRequest, time: number, location: string): void;
}

type Hook = keyof Trace;
type Rest<H extends Hook> = Required<Trace>[H] extends (
  request: TracedRequest,
  time: number,
  ...rest: infer R
) => void
  ? R
  : never;

/** Calls a hook, if there is one. */
export function tell<H extends Hook>(
  trace: Trace | undefined,
  hook: H,
  request: TracedRequest,
  ...rest: Rest<H>
): void {
  const callback = trace?.[hook] as ((...args: unknown[]) => void) | undefined;
  if (callback === undefined) return;
  try {
    Reflect.apply(callback, trace, [request, performance.now(), ...rest]);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
