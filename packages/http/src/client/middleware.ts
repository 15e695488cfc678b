/** Middleware: code of the user's around each request, and the form in which the session's own layers are written. */
import { CancelScope, type Coroutine, type Operation, perform } from "@anyloop/core";
import type { ClientRequest } from "./request.ts";
import type { ClientResponse } from "./response.ts";

/** Sends a request on its way. */
export type Next = (request: ClientRequest) => Operation<ClientResponse>;

/**
 * Called for each request, before redirects and retries are followed: what it gives is the answer. It may change the
 * request, call `next` once, several times or not at all.
 *
 * ```ts
 * import { ClientSession, type Middleware } from "@anyloop/http/client";
 *
 * const stamped: Middleware = function* (request, next) {
 *   request.headers.set("x-request-id", crypto.randomUUID());
 *   return yield* next(request);
 * };
 * const session = new ClientSession({ middleware: [stamped] });
 * console.log(session.statistics().connections); // 0
 * ```
 */
export type Middleware = (
  request: ClientRequest,
  next: Next,
) => Coroutine<ClientResponse> | PromiseLike<ClientResponse>;

/** @internal A layer of the session: natively nested, so that one that has nothing to do costs a call. */
export type Send = (request: ClientRequest) => Coroutine<ClientResponse>;
export type Layer = (request: ClientRequest, next: Send) => Coroutine<ClientResponse>;

/** @internal The first of the layers is the outermost. */
export function layered(layers: readonly Layer[], innermost: Send): Send {
  let send = innermost;
  for (const layer of layers.toReversed()) {
    const next = send;
    send = (request) => layer(request, next);
  }
  return send;
}

/** @internal A user's middleware may be an async function: a scope runs either. */
export function layerOf(middleware: Middleware): Layer {
  return function* (request, next) {
    const operationOf: Next = (changed) => perform(undefined, next, changed);
    const response = yield* new CancelScope().run(() => middleware(request, operationOf));
    return response as ClientResponse;
  };
}
