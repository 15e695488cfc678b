/**
 * Trying again: what may be sent twice without harm, and failed in a way that may pass.
 *
 * Invariant: a request is repeated only if its method is idempotent (or the policy names it) and its body can be sent
 * again; nobody waits beyond the request's own time limit.
 */
import { BrokenResourceError, type Coroutine, sleep, UsageError } from "@anyloop/core";
import { isReplayable } from "./body.ts";
import { ConnectionFailed, ConnectTimeout, FirstByteTimeout } from "./errors.ts";
import type { Send } from "./middleware.ts";
import type { ClientRequest } from "./request.ts";
import type { ClientResponse } from "./response.ts";

export interface RetryPolicy {
  /** How often at most, after the first time. */
  readonly limit: number;
  /** Methods that may be repeated: the idempotent ones, if not given. */
  readonly methods?: readonly string[] | undefined;
  /** Statuses that are tried again; 408, 429, 500, 502, 503, 504 if not given. */
  readonly statuses?: readonly number[] | undefined;
  /** Milliseconds before the first repetition, doubled each time; half of it is left to chance. 200 if not given. */
  readonly backoff?: number | undefined;
  /** Most milliseconds between two attempts. A server that asks for more with `retry-after` is not tried again. 30 000 if not given. */
  readonly maxBackoff?: number | undefined;
}

const idempotent: readonly string[] = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"];
const passing: readonly number[] = [408, 429, 500, 502, 503, 504];

export function policyOf(retry: number | RetryPolicy | undefined): RetryPolicy | undefined {
  const policy = typeof retry === "number" ? { limit: retry } : retry;
  if (policy === undefined || policy.limit === 0) return undefined;
  if (!(policy.limit > 0))
    throw new UsageError(`retry is ${String(policy.limit)}. Give how often, 0 or more.`);
  return policy;
}

export function retrying(request: ClientRequest, next: Send): Coroutine<ClientResponse> {
  const policy = request.settings.retry;
  if (policy === undefined || !isRepeatable(request, policy)) return next(request);
  return repeat(request, next, policy);
}

function* repeat(request: ClientRequest, next: Send, policy: RetryPolicy): Coroutine<ClientResponse> {
  for (let attempt = 0; ; attempt++) {
    let response: ClientResponse | undefined;
    let failure: unknown;
    try {
      response = yield* next(request);
      if (!(policy.statuses ?? passing).includes(response.status)) return response;
    } catch (error) {
      if (!mayPass(error)) throw error;
      failure = error;
    }
    const delay = attempt < policy.limit ? delayBefore(attempt, policy, response) : Infinity;
    if (performance.now() + delay >= request.settings.deadline || delay === Infinity) {
      if (response === undefined) throw failure;
      return response;
    }
    if (response !== undefined) yield* response.close();
    yield* sleep(delay);
  }
}

function isRepeatable(request: ClientRequest, policy: RetryPolicy): boolean {
  return (policy.methods ?? idempotent).includes(request.method) && isReplayable(request.encoded.content);
}

function mayPass(error: unknown): boolean {
  return (
    error instanceof BrokenResourceError ||
    error instanceof ConnectionFailed ||
    error instanceof ConnectTimeout ||
    error instanceof FirstByteTimeout
  );
}

/** Infinity: the server asks for more patience than there is. */
function delayBefore(attempt: number, policy: RetryPolicy, response: ClientResponse | undefined): number {
  const { backoff = 200, maxBackoff = 30_000 } = policy;
  const asked = retryAfter(response?.headers.get("retry-after"));
  if (asked !== undefined) return asked > maxBackoff ? Infinity : asked;
  const full = Math.min(backoff * 2 ** attempt, maxBackoff);
  return full / 2 + (Math.random() * full) / 2;
}

/** In milliseconds: seconds or a date. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, milliseconds);
}
