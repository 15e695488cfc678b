/**
 * The platform's own `fetch` as a transport: for browsers, and for Bun, whose `undici` is a stub. Connections are the
 * platform's affair there, so of limits, tracing and TLS options there is only what `fetch` has: nothing.
 *
 * Invariant: the body is read as it is asked for, one piece at a time.
 */
import { BrokenResourceError, ClosedResourceError } from "@anyloop/core";
import { ConnectionFailed } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { HttpHeaders } from "../headers.ts";
import type { ClientStatistics, Control, Transport, WireBody } from "./transport.ts";

/** Bun can leave redirects to us, a browser hides where they lead. */
const redirect: RequestRedirect =
  "document" in globalThis || "WorkerGlobalScope" in globalThis ? "follow" : "manual";

export class FetchTransport implements Transport {
  private readonly flights = new Set<FetchFlight>();
  /** Aborted, and not at their end yet. */
  private closing = 0;
  private closed: (() => void)[] | undefined = undefined;

  begin(exchange: Exchange): Control {
    const controller = new AbortController();
    const flight = new FetchFlight(exchange, controller, this);
    if (this.closed === undefined) {
      this.flights.add(flight);
      void flight.fly();
    } else {
      exchange.failed(
        new ClosedResourceError("The session was closed before. Send requests before you close it."),
      );
    }
    return flight;
  }

  statistics(): ClientStatistics {
    const { size } = this.flights;
    return { connections: size, idle: 0, active: size, waiting: 0, closing: this.closing };
  }

  close(closed: () => void): void {
    (this.closed ??= []).push(closed);
    for (const { exchange } of this.flights) {
      exchange.abandon(
        new ClosedResourceError("The session was closed. Read what you asked for before you close it."),
      );
    }
    this.settle();
  }

  aborted(flight: FetchFlight): void {
    if (this.flights.delete(flight)) this.closing++;
  }

  ended(flight: FetchFlight): void {
    if (!this.flights.delete(flight)) this.closing--;
    this.settle();
  }

  private settle(): void {
    if (this.flights.size > 0 || this.closing > 0) return;
    for (const closed of this.closed?.splice(0) ?? []) closed();
  }
}

class FetchFlight implements Control {
  readonly exchange: Exchange;
  private readonly controller: AbortController;
  private readonly transport: FetchTransport;
  private goOn: (() => void) | undefined = undefined;
  private isAborted = false;

  constructor(exchange: Exchange, controller: AbortController, transport: FetchTransport) {
    this.exchange = exchange;
    this.controller = controller;
    this.transport = transport;
  }

  abort(): void {
    this.isAborted = true;
    this.transport.aborted(this);
    this.controller.abort();
    this.resume();
  }

  resume(): void {
    const { goOn } = this;
    this.goOn = undefined;
    goOn?.();
  }

  /** Never rejects: what goes wrong is reported to the exchange. */
  async fly(): Promise<void> {
    const { exchange } = this;
    try {
      await this.exchangeAll();
      if (!this.isAborted) exchange.ended();
    } catch (error) {
      if (!this.isAborted) exchange.failed(explained(exchange, error));
    } finally {
      this.transport.ended(this);
    }
  }

  private async exchangeAll(): Promise<void> {
    const { exchange } = this;
    const { body } = exchange;
    const { method, headers } = exchange.request;
    exchange.assigned(false);
    exchange.connected();
    // `fetch` does not say when it has sent all; the answer's time runs from here.
    const answer = fetch(exchange.url, {
      method,
      headers: [...headers],
      redirect,
      signal: this.controller.signal,
      ...bodyOf(body),
    });
    if (!isStream(body)) exchange.sent();
    const response = await answer;
    if (this.isAborted) return;
    exchange.isDecoded = true;
    if (response.redirected) exchange.finalUrl = response.url;
    exchange.answered(response.status, new HttpHeaders(response.headers));
    await this.deliver(response.body);
  }

  private async deliver(body: ReadableStream<Uint8Array> | null): Promise<void> {
    if (body === null) return;
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.isAborted) return;
      if (!this.exchange.data(value)) await this.resumed();
    }
  }

  private resumed(): Promise<void> {
    if (this.isAborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.goOn = resolve;
    });
  }
}

function isStream(body: WireBody): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && Symbol.asyncIterator in body;
}

function bodyOf(body: WireBody): RequestInit & { duplex?: "half" } {
  if (body === undefined) return {};
  if (!isStream(body)) return { body };
  const pieces = body[Symbol.asyncIterator]();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const piece = await pieces.next();
      if (piece.done === true) controller.close();
      else controller.enqueue(piece.value);
    },
    async cancel() {
      await pieces.return?.();
    },
  });
  return { body: stream, duplex: "half" };
}

const unreachable = new Set<unknown>([
  "ConnectionRefused",
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENETUNREACH",
]);

function explained(exchange: Exchange, error: unknown): unknown {
  // Node says no more than "fetch failed", and why in the cause.
  const { cause = error } = (error ?? {}) as { cause?: unknown };
  const { code } = (cause ?? {}) as { code?: unknown };
  if (unreachable.has(code)) return new ConnectionFailed(exchange.request.target.host, cause);
  const message = cause instanceof Error ? cause.message : String(cause);
  return new BrokenResourceError(`${exchange.method} ${exchange.url} failed: ${message}`, { cause });
}
