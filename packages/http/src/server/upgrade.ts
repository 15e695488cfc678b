/**
 * A connection that changes to another protocol, such as websockets.
 *
 * Invariant: the socket belongs to the handler from its first step to its end, and is destroyed then, whatever happened;
 * the task stands under the connection's scope like that of any request.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { CancelScope, type Coroutine, type Handler } from "@anyloop/core";
import type { Handle } from "./handle.ts";
import type { ServerRequest } from "./request.ts";
import { ServerResponse } from "./response.ts";

/** What the handler of an upgrade is given: the arguments of `node:http`'s `upgrade` event, and the request as routes see it. */
export interface Upgrade<Params = Readonly<Record<string, string>>> {
  readonly request: ServerRequest<Params>;
  readonly raw: IncomingMessage;
  readonly socket: Duplex;
  /** What has come behind the request already. */
  readonly head: Buffer;
}

export type UpgradeHandler<Params = Readonly<Record<string, string>>> = Handler<[upgrade: Upgrade<Params>]>;

/** The socket and first bytes of a request that asks for another protocol. */
export interface TakenOver {
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** Ends when the user's handler does; a refusal is thrown as an `HttpError`, before anything was written. */
export function upgradeHandle(handler: UpgradeHandler<never>): Handle {
  return function* upgrade(request): Coroutine<ServerResponse> {
    const { socket, head } = request.upgrade as TakenOver;
    const upgrade = { request: request as ServerRequest<never>, raw: request.raw, socket, head };
    yield* new CancelScope({ name: "upgrade" }).run(() => handler(upgrade) as PromiseLike<unknown>);
    return new ServerResponse(undefined, { status: 101 });
  };
}
